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
from jaxcnn.ops.platforms import fixed_form

Variables = Mapping[str, Any]
Network = Callable[[Variables, Array | np.ndarray], Array]
Images = Float[np.ndarray, "n h w c"]
PLATFORMS = ("cpu", "cuda", "tpu")
_TOLERANCE = 1e-5


def export_network(
    apply_fn: Callable[..., Any],
    variables: Variables,
    path: Path,
    *,
    format: str,  # noqa: A002 -- the option of the command line
    image_shape: tuple[int, int, int],
    image_size: int | None = None,
    batch_size: int = 1,
    about: Mapping[str, str] | None = None,
) -> float:
    """Export a network to `path`, after checking that the exported one computes the same logits.

    'stablehlo' is the whole program with its weights, from images (batch, H, W, C), float32 in [0, 1], to logits
    (batch, num_classes). It takes any batch size and runs on CPUs, NVIDIA GPUs and TPUs:
    `jax.export.deserialize(bytes).call(images)`. 'onnx' is the same program for ONNX runtimes, from the input 'images'
    to the output 'logits', with a fixed batch size; this export clears JAX's caches. 'safetensors' has the variables
    alone, by paths such as params/conv1/kernel, for `safetensors.numpy.load_file`.

    Args:
        apply_fn: the network's `apply`.
        variables: its {'params', 'batch_stats'}.
        path: the file to write. It must not exist.
        format: the format: 'stablehlo', 'onnx' or 'safetensors'.
        image_shape: height, width and channels of the input images.
        image_size: height and width in pixels to which the program resizes the images; None for no resizing.
        batch_size: images per call of an ONNX program; the other formats take any number.
        about: metadata for the file, in the formats that support it.

    Returns:
        The largest absolute difference of the logits, divided by the largest absolute logit if that exceeds 1.

    Raises:
        InputError: if the format is unknown, its writer is not installed, the batch is empty, the file exists or cannot
            be written, or the logits differ by more than 1e-5. No file is written then.
    """
    if format not in _WRITERS:
        raise InputError(f"format {format!r}: expected one of {', '.join(_WRITERS)}")
    if batch_size < 1:
        raise InputError(f"batch size {batch_size}: expected 1 or more")
    if path.exists():
        raise InputError(f"{path} already exists: remove it or give another --output")

    def network(variables: Variables, images: Float[Array, "n h w c"]) -> Float[Array, "n classes"]:
        return apply_fn(variables, prepare_images(images, image_size), train=False)

    images = np.random.default_rng(0).random((batch_size, *image_shape), np.float32)
    content, found = _WRITERS[format](network, variables, images, about or {})
    difference = _difference(found, jax.jit(network)(variables, images))
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


def _stablehlo(
    network: Network, variables: Variables, images: Images, _about: Mapping[str, str]
) -> tuple[bytes, ArrayLike]:
    (batch,) = jax.export.symbolic_shape("batch")
    spec = jax.ShapeDtypeStruct((batch, *images.shape[1:]), jnp.float32)
    program = jax.export.export(jax.jit(lambda images: network(variables, images)), platforms=PLATFORMS)(spec)
    content = bytes(program.serialize())
    return content, jax.export.deserialize(bytearray(content)).call(images)


def _onnx(network: Network, variables: Variables, images: Images, about: Mapping[str, str]) -> tuple[bytes, ArrayLike]:
    try:
        import jax2onnx
        import onnxruntime
    except ModuleNotFoundError as error:
        raise InputError(f"the onnx format needs {error.name}: pip install '.[onnx]'") from error
    jax.clear_caches()  # jax2onnx replaces JAX operations while it traces
    with fixed_form("cpu"):
        model = jax2onnx.to_onnx(
            lambda images: network(variables, images),
            [jax.ShapeDtypeStruct(images.shape, images.dtype)],
            input_names=["images"],
            output_names=["logits"],
        )
    jax.clear_caches()
    del model.graph.value_info[:]  # inner shapes, some of them with axes in the wrong order
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
    content = model.SerializeToString()
    (found,) = onnxruntime.InferenceSession(content).run(["logits"], {"images": images})
    return content, np.asarray(found)


def _safetensors(
    network: Network, variables: Variables, images: Images, about: Mapping[str, str]
) -> tuple[bytes, ArrayLike]:
    from safetensors.numpy import save

    arrays = flatten_dict(jax.tree.map(np.asarray, dict(variables)), sep="/")
    content = save({str(name): np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=dict(about))
    return content, jax.jit(network)(read_safetensors(content), images)


_WRITERS = {"stablehlo": _stablehlo, "onnx": _onnx, "safetensors": _safetensors}


def _difference(found: ArrayLike, expected: ArrayLike) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
