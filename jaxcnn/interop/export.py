"""Export of a trained network to one file that other programs load without jaxcnn."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxcnn.data.pipeline import prepare_images
from jaxcnn.errors import InputError
from jaxcnn.files import write_file
from jaxcnn.interop.metadata import NetworkInfo, as_strings, make_metadata
from jaxcnn.interop.onnx_program import require_onnx, run_onnx, to_onnx
from jaxcnn.interop.web_page import make_web_page
from jaxcnn.interop.web_runtime import load_runtime

Variables = Mapping[str, Any]
Network = Callable[[Variables, Array | np.ndarray], Array]
Images = Float[np.ndarray, "n h w c"]
Metadata = Mapping[str, Any]
PLATFORMS = ("cpu", "cuda", "tpu")
MAX_WEB_BYTES = 10_000_000
"""Largest size of the weights in a web page."""

_TOLERANCE = 1e-5
_NUM_IMAGES = 4
_UNKNOWN = NetworkInfo()


def export_network(
    apply_fn: Callable[..., Any],
    variables: Variables,
    path: Path,
    *,
    format: str,  # noqa: A002 -- the option of the command line
    image_shape: tuple[int, int, int],
    image_size: int | None = None,
    about: NetworkInfo = _UNKNOWN,
) -> float:
    """Export a network to `path`, after checking that the exported one computes the same logits.

    'stablehlo' is the whole program with its weights, from images (batch, H, W, C), float32 in [0, 1], to logits
    (batch, num_classes). It runs on CPUs, NVIDIA GPUs and TPUs: `jax.export.deserialize(bytes).call(images)`. 'onnx' is
    the same program for ONNX runtimes, from the input 'images' to the output 'logits'; this export clears JAX's caches.
    Both take any batch size. 'safetensors' contains only the variables, by paths such as params/conv1/kernel, for
    `safetensors.numpy.load_file`. 'web' is an HTML page that classifies images in the browser; it contains the ONNX
    program and ONNX Runtime.

    The metadata of ONNX and safetensors files contains `about` and the preprocessing. StableHLO files have no metadata.

    Args:
        apply_fn: the network's `apply`.
        variables: its {'params', 'batch_stats'}.
        path: the file to write. It must not exist.
        format: the format: 'stablehlo', 'onnx', 'safetensors' or 'web'.
        image_shape: height, width and channels of the input images.
        image_size: height and width in pixels to which the program resizes the images; None for no resizing.
        about: description of the network for the metadata.

    Returns:
        The largest absolute difference of the logits, divided by the largest absolute logit if that exceeds 1.

    Raises:
        InputError: if the format is unknown, its writer is not installed, the file exists or cannot be written, the
            network is too large for a web page, the logits are not finite, or they differ by more than
            1e-5. No file is written then.
    """
    if format not in _WRITERS:
        raise InputError(f"format {format!r}: expected one of {', '.join(_WRITERS)}")
    if path.exists():
        raise InputError(f"{path} already exists: remove it or give another --output")

    def network(variables: Variables, images: Float[Array, "n h w c"]) -> Float[Array, "n classes"]:
        return apply_fn(variables, prepare_images(images, image_size), train=False)

    images = np.random.default_rng(0).random((_NUM_IMAGES, *image_shape), np.float32)
    content, found = _WRITERS[format](network, variables, images, make_metadata(about, image_shape, image_size))
    expected = jax.jit(network)(variables, images)
    if not np.isfinite(expected).all():
        raise InputError(
            f"{path} is not written: the network's logits are not finite; export a run that did not diverge"
        )
    difference = _difference(found, expected)
    if not difference <= _TOLERANCE:
        raise InputError(
            f"{path} is not written: its logits differ from the network's by {difference:.1e}, expected at most "
            f"{_TOLERANCE:.0e}; try another format"
        )
    try:
        write_file(path, content)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): give another --output") from error
    return difference


def read_safetensors(content: bytes) -> dict[str, Any]:
    """Read the variables from the bytes of a safetensors file that `export_network` wrote."""
    from safetensors.numpy import load

    return unflatten_dict(load(content), sep="/")


def _stablehlo(network: Network, variables: Variables, images: Images, _metadata: Metadata) -> tuple[bytes, ArrayLike]:
    (batch,) = jax.export.symbolic_shape("batch")
    spec = jax.ShapeDtypeStruct((batch, *images.shape[1:]), jnp.float32)
    program = jax.export.export(jax.jit(lambda images: network(variables, images)), platforms=PLATFORMS)(spec)
    content = bytes(program.serialize())
    return content, jax.export.deserialize(bytearray(content)).call(images)


def _onnx(network: Network, variables: Variables, images: Images, metadata: Metadata) -> tuple[bytes, ArrayLike]:
    require_onnx("the onnx format")
    content = to_onnx(lambda images: network(variables, images), images.shape[1:], metadata)
    return content, _run_in_two_batches(content, images)


def _web(network: Network, variables: Variables, images: Images, metadata: Metadata) -> tuple[bytes, ArrayLike]:
    height, width, channels = images.shape[1:]
    if height != width or channels not in (1, 3):
        raise InputError(
            f"images of shape {images.shape[1:]}: the web format takes square images with 1 or 3 channels; "
            "use onnx instead"
        )
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(variables))
    if size > MAX_WEB_BYTES:
        raise InputError(
            f"{size / 1e6:.1f} MB of weights: the web format takes up to {MAX_WEB_BYTES / 1e6:.0f} MB; use onnx instead"
        )
    require_onnx("the web format")
    load_runtime()  # before the slow conversion
    program = to_onnx(lambda images: network(variables, images), images.shape[1:], metadata)
    logits = _run_in_two_batches(program, images)
    return make_web_page(program, logits.shape[1], metadata), logits


def _run_in_two_batches(program: bytes, images: Images) -> np.ndarray:
    """The logits of the first image and of the others, from two calls, to check that the batch size is free."""
    return np.concatenate([run_onnx(program, images[:1]), run_onnx(program, images[1:])])


def _safetensors(network: Network, variables: Variables, images: Images, metadata: Metadata) -> tuple[bytes, ArrayLike]:
    from safetensors.numpy import save

    arrays = flatten_dict(jax.tree.map(np.asarray, dict(variables)), sep="/")
    content = save({str(name): np.ascontiguousarray(array) for name, array in arrays.items()}, as_strings(metadata))
    return content, jax.jit(network)(read_safetensors(content), images)


_WRITERS = {"stablehlo": _stablehlo, "onnx": _onnx, "safetensors": _safetensors, "web": _web}


def _difference(found: ArrayLike, expected: ArrayLike) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
