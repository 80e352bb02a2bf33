"""Networks as ONNX programs that take any number of images."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from jaxcnn.errors import InputError, first_line
from jaxcnn.interop.metadata import as_strings
from jaxcnn.interop.onnx_pools import simplify_pools
from jaxcnn.ops.platforms import fixed_form


def require_onnx(purpose: str) -> None:
    """Check that jax2onnx and ONNX Runtime are installed.

    Args:
        purpose: what needs them.

    Raises:
        InputError: if one is missing.
    """
    try:
        import jax2onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"{purpose} needs {error.name}: pip install '.[onnx]'") from error


def to_onnx(network: Callable[[Array], Array], image_shape: tuple[int, int, int], metadata: Mapping[str, Any]) -> bytes:
    """Convert a network to an ONNX program from 'images', (batch, H, W, C), to 'logits', (batch, num_classes).

    The batch size is free. JAX's caches are cleared, because jax2onnx replaces JAX operations while it traces.

    Args:
        network: a function from images to logits, with its weights.
        image_shape: height, width and channels of the images.
        metadata: recorded in the program as strings.

    Raises:
        InputError: if jax2onnx cannot convert an operation of the network.
        ModuleNotFoundError: if jax2onnx is not installed; `require_onnx` has a message for users.
    """
    import jax2onnx

    logging.getLogger("onnx_ir").setLevel(logging.ERROR)  # it warns of unknown shapes, which are then inferred
    jax.clear_caches()
    try:
        with fixed_form("default"):
            model = jax2onnx.to_onnx(
                network, [("batch", *image_shape)], input_names=["images"], output_names=["logits"]
            )
    except (NotImplementedError, TypeError) as error:  # an operation, or a type such as bfloat16
        raise _unsupported(error) from error
    finally:
        jax.clear_caches()
    del model.graph.value_info[:]  # inner shapes, which runtimes infer; some have axes in the wrong order
    simplify_pools(model.graph)
    for key, value in as_strings(metadata).items():
        model.metadata_props.add(key=key, value=value)
    return model.SerializeToString()


def run_onnx(program: bytes, images: Float[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n classes"]:
    """The logits of an ONNX program from `to_onnx`, computed by ONNX Runtime on the CPU.

    Raises:
        InputError: if ONNX Runtime does not implement an operation of the program for its types.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors  # pyright: ignore[reportAttributeAccessIssue]

    try:
        session = onnxruntime.InferenceSession(program, providers=["CPUExecutionProvider"])
    except errors.NotImplemented as error:
        raise _unsupported(error) from error
    return np.asarray(session.run(["logits"], {"images": images})[0])


def _unsupported(error: Exception) -> InputError:
    reason = first_line(error).rpartition(" : ")[2].rstrip(".")
    return InputError(f"the network cannot be exported to ONNX ({reason}): use the stablehlo format")
