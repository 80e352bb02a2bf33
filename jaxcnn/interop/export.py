"""A trained network as one file that other programs load, without jaxcnn."""

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

Variables = Mapping[str, Any]
PLATFORMS = ("cpu", "cuda", "tpu")
FORMATS = {"stablehlo": ".stablehlo", "safetensors": ".safetensors"}
_TOLERANCE = 1e-5


def export_network(
    apply_fn: Callable[..., Any],
    variables: Variables,
    path: Path,
    *,
    form: str,
    image_shape: tuple[int, int, int],
    image_size: int | None = None,
    about: Mapping[str, str] | None = None,
) -> float:
    """Write a network to `path`, once what would be read from it was seen to give the network's own logits.

    'stablehlo' is the whole program with its weights, from images (batch, H, W, C), float32 in [0, 1], to logits, for
    any batch, on CPUs, NVIDIA's GPUs and TPUs: `jax.export.deserialize(bytes).call(images)`. 'safetensors' is the
    variables alone, by paths such as params/conv1/kernel, for `safetensors.numpy.load_file`.

    Args:
        apply_fn: the network's `apply`.
        variables: its {'params', 'batch_stats'}.
        path: the file, which must not be there.
        form: 'stablehlo' or 'safetensors'.
        image_shape: height, width and channels of the images that will be given.
        image_size: height and width that the network takes, to which the program resizes; None for that of the images.
        about: words to keep in the file, where its form has room for them.

    Returns:
        The largest difference of the logits that was seen; as a share of the largest where that is above 1.

    Raises:
        InputError: if the form is unknown, the file is there or cannot be written, or the logits differ by more than
            1e-5; nothing is written then.
    """
    if form not in FORMATS:
        raise InputError(f"no export to {form!r}: choose one of {', '.join(FORMATS)}")
    if path.exists():
        raise InputError(f"{path} is there already: remove it or give another name")

    def logits(variables: Variables, images: Float[Array, "n h w c"]) -> Float[Array, "n classes"]:
        return apply_fn(variables, prepare_images(images, image_size), train=False)

    images = np.random.default_rng(0).random((3, *image_shape), np.float32)
    if form == "stablehlo":
        content = _stablehlo(lambda images: logits(variables, images), image_shape)
        found = jax.export.deserialize(bytearray(content)).call(images)
    else:
        content = _safetensors(variables, about or {})
        found = jax.jit(logits)(read_safetensors(content), images)
    difference = _difference(found, jax.jit(logits)(variables, images))
    if not difference <= _TOLERANCE:
        raise InputError(
            f"{path} is not written: its logits would differ from the network's by {difference:.1e}, and "
            f"{_TOLERANCE:.0e} is allowed"
        )
    aside = path.with_name(f".{path.name}")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): give another name") from error
    finally:
        aside.unlink(missing_ok=True)
    return difference


def read_safetensors(content: bytes) -> dict[str, Any]:
    """The variables in the bytes of a safetensors file that `export_network` has written."""
    from safetensors.numpy import load

    return unflatten_dict(load(content), sep="/")


def _stablehlo(logits: Callable[[Array], Array], image_shape: tuple[int, int, int]) -> bytes:
    (batch,) = jax.export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, *image_shape), jnp.float32)
    return bytes(jax.export.export(jax.jit(logits), platforms=PLATFORMS)(images).serialize())


def _safetensors(variables: Variables, about: Mapping[str, str]) -> bytes:
    from safetensors.numpy import save

    arrays = flatten_dict(jax.tree.map(np.asarray, dict(variables)), sep="/")
    return save({str(name): np.ascontiguousarray(array) for name, array in arrays.items()}, metadata=dict(about))


def _difference(found: ArrayLike, expected: ArrayLike) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
