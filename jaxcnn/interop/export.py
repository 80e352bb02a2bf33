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
Network = Callable[[Variables, Array | np.ndarray], Array]
Images = Float[np.ndarray, "n h w c"]
PLATFORMS = ("cpu", "cuda", "tpu")
_TOLERANCE = 1e-5


def export_network(
    apply_fn: Callable[..., Any],
    variables: Variables,
    path: Path,
    *,
    form: str,
    image_shape: tuple[int, int, int],
    image_size: int | None = None,
    batch_size: int = 1,
    about: Mapping[str, str] | None = None,
) -> float:
    """Write a network to `path`, once what would be read from it was seen to give the network's own logits.

    'stablehlo' is the whole program with its weights, from images (batch, H, W, C), float32 in [0, 1], to logits, for
    any batch, on CPUs, NVIDIA's GPUs and TPUs: `jax.export.deserialize(bytes).call(images)`. 'onnx' is that for
    ONNX's runtimes, from 'images' to 'logits', with `batch_size` images a call; JAX's caches are cleared on the way.
    'safetensors' is the variables alone, by paths such as params/conv1/kernel, for `safetensors.numpy.load_file`.

    Args:
        apply_fn: the network's `apply`.
        variables: its {'params', 'batch_stats'}.
        path: the file, which must not be there.
        form: 'stablehlo', 'onnx' or 'safetensors'.
        image_shape: height, width and channels of the images that will be given.
        image_size: height and width that the network takes, to which the program resizes; None for that of the images.
        batch_size: images that a call of an ONNX program takes; other forms take any number.
        about: words to keep in the file, where its form has room for them.

    Returns:
        The largest difference of the logits that was seen; as a share of the largest where that is above 1.

    Raises:
        InputError: if the form is unknown or what writes it is not installed, the batch is empty, the file is there or
            cannot be written, or the logits differ by more than 1e-5; nothing is written then.
    """
    if form not in _FORMS:
        raise InputError(f"no export to {form!r}: choose one of {', '.join(_FORMS)}")
    if batch_size < 1:
        raise InputError(f"batches of {batch_size}: at least 1 image is needed")
    if path.exists():
        raise InputError(f"{path} is there already: remove it or give another name")

    def network(variables: Variables, images: Float[Array, "n h w c"]) -> Float[Array, "n classes"]:
        return apply_fn(variables, prepare_images(images, image_size), train=False)

    images = np.random.default_rng(0).random((batch_size, *image_shape), np.float32)
    content, found = _FORMS[form](network, variables, images, about or {})
    difference = _difference(found, jax.jit(network)(variables, images))
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


def _stablehlo(
    network: Network, variables: Variables, images: Images, _about: Mapping[str, str]
) -> tuple[bytes, ArrayLike]:
    (batch,) = jax.export.symbolic_shape("batch")
    form = jax.ShapeDtypeStruct((batch, *images.shape[1:]), jnp.float32)
    program = jax.export.export(jax.jit(lambda images: network(variables, images)), platforms=PLATFORMS)(form)
    content = bytes(program.serialize())
    return content, jax.export.deserialize(bytearray(content)).call(images)


def _onnx(network: Network, variables: Variables, images: Images, about: Mapping[str, str]) -> tuple[bytes, ArrayLike]:
    try:
        import jax2onnx
        import onnxruntime
    except ModuleNotFoundError as error:
        raise InputError(f"an export to onnx needs {error.name}: pip install '.[onnx]'") from error
    jax.clear_caches()  # what is traced here has operations of jax2onnx in the place of JAX's
    model = jax2onnx.to_onnx(
        lambda images: network(variables, images),
        [jax.ShapeDtypeStruct(images.shape, images.dtype)],
        input_names=["images"],
        output_names=["logits"],
    )
    jax.clear_caches()
    del model.graph.value_info[:]  # hints of inner shapes, some of them with their axes in another order
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


_FORMS = {"stablehlo": _stablehlo, "onnx": _onnx, "safetensors": _safetensors}


def _difference(found: ArrayLike, expected: ArrayLike) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    return float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
