"""Conversion of PyTorch weights to a network's variables, and back.

Tensors are matched by order and shape. Names are only checked: one that ends in a word such as 'bias' or 'running_mean'
must be the name of such a tensor. PyTorch is not imported, and no file is opened.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import unflatten_dict

from jaxcnn.errors import InputError, first_line
from jaxcnn.interop.torch_layout import Path, Tensor, Variables, by_path, find_tensors, initial_statistics
from jaxcnn.words import count_of

_SAME_LAYERS = "give the weights of a module with the same layers, for the same image_shape"
_SAME_ORDER = "give the tensors in the order of module.state_dict()"
_SAVE_AGAIN = "save the weights again"
_CHAPTER_WORDS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_var": "running_var"}
"""PyTorch's words for the tensors of the chapter's batch norm from scratch."""


def variables_from_torch(
    model: nn.Module,
    state_dict: Mapping[str, Any],
    image_shape: tuple[int, int, int],
    *,
    reset_statistics: bool = False,
) -> Variables:
    """Convert the weights of a PyTorch module with the same layers to variables of `model`.

    Kernels are transposed from (C_out, C_in, h, w) to (h, w, C_in, C_out) and matrices from (outputs, inputs) to
    (inputs, outputs). After a flatten, the inputs are reordered from channel-first to channel-last.

    Args:
        model: a network from `jaxcnn.models`, or any other built from `jaxcnn.layers` and Flax's BatchNorm.
        state_dict: tensors or NumPy arrays, in the order of PyTorch's `module.state_dict()`. A key that ends in
            'weight', 'bias', 'running_mean' or 'running_var' must be the key of such a tensor; other keys are not
            checked. Scalars, such as num_batches_tracked, are ignored.
        image_shape: height, width and channels of one input image of the network.
        reset_statistics: whether to use the network's initial running statistics and ignore those in `state_dict`. Set
            it if there are none: the chapter's batch norm from scratch stores them outside of the state_dict.

    Returns:
        {'params', 'batch_stats'} in the network's types. 'batch_stats' is absent without batch norm.

    Raises:
        InputError: if a tensor is missing, left over, in another place, of another shape, not finite or not a dense
            tensor of real numbers. The message names the tensor.

    Examples:
        >>> import jax
        >>> from jaxcnn.models import LeNet
        >>> variables = LeNet().init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
        >>> state_dict = variables_to_torch(LeNet(), variables, (28, 28, 1))
        >>> state_dict["conv2.weight"].shape
        (16, 6, 5, 5)
        >>> back = variables_from_torch(LeNet(), state_dict, (28, 28, 1))
        >>> bool((back["params"]["dense1"]["kernel"] == variables["params"]["dense1"]["kernel"]).all())
        True
    """
    if not isinstance(state_dict, Mapping):
        raise InputError(
            f"weights of type {type(state_dict).__name__}: expected a mapping from names to tensors; use "
            "module.state_dict(), or interop.load_weights(path, ...) for a safetensors file"
        )
    network = type(model).__name__
    given = {name: array for name, value in state_dict.items() if (array := _as_numpy(name, value)).ndim > 0}
    tensors, types = find_tensors(model, image_shape)
    params = [tensor for tensor in tensors if tensor.path[0] == "params"]
    variables: dict[Path, Any] = {}
    if reset_statistics and len(params) < len(tensors):
        tensors = params
        given = {name: array for name, array in given.items() if not _kind(name).startswith("running")}
        variables = initial_statistics(model, image_shape)
    if len(given) == len(params) < len(tensors):
        first = next(tensor for tensor in tensors if tensor.path[0] == "batch_stats")
        raise InputError(
            f"{first} and all other running statistics are missing: give module.state_dict(), which has them, or "
            "reset_statistics=True for the initial ones"
        )
    expected, remaining = count_of(len(tensors), "tensor"), iter(given.items())
    for tensor in tensors:
        name, array = next(remaining, ("", None))
        if array is None:
            raise InputError(
                f"{tensor} is missing: expected {expected} for {network}, got {len(given)}; {_SAME_LAYERS}"
            )
        _check_name(name, tensor, model)
        if array.shape != tensor.shape and not _is_row(array, tensor):
            raise InputError(f"{name} {array.shape}: expected {tensor} for {network}; {_SAME_LAYERS}")
        dtype = types[tensor.path].dtype
        with np.errstate(over="ignore"):
            value = tensor.from_torch(array.reshape(tensor.shape)).astype(dtype)
        if not np.isfinite(value).all():
            raise InputError(f"{name} has values that are NaN or exceed {dtype}: expected finite values; {_SAVE_AGAIN}")
        variables[tensor.path] = jnp.asarray(value)
    for name, array in remaining:
        raise InputError(
            f"{name} {array.shape} is left over after {tensors[-1]}: expected {expected} for {network}, "
            f"got {len(given)}; {_SAME_LAYERS}"
        )
    return unflatten_dict(variables)


def variables_to_torch(
    model: nn.Module,
    variables: Mapping[str, Any],
    image_shape: tuple[int, int, int],
    *,
    names: Iterable[str] | None = None,
) -> dict[str, np.ndarray]:
    """Convert variables to the state_dict of a PyTorch module with the same layers.

    This is the inverse of `variables_from_torch`.

    Args:
        model: the network.
        variables: its {'params', 'batch_stats'}.
        image_shape: height, width and channels of one input image of the network.
        names: keys of the result, in the order of PyTorch's `module.state_dict()`; num_batches_tracked is ignored. The
            default keys join our layer names and PyTorch's tensor names: 'conv1.weight', 'norm1.running_mean'.

    Returns:
        NumPy arrays in PyTorch's shapes and order. Convert them with `torch.from_numpy` for `load_state_dict`.

    Raises:
        InputError: if `variables` do not belong to `model`, the number of `names` differs from that of the tensors, or
            a name ends in a word such as 'bias' that contradicts its place.
    """
    network = type(model).__name__
    tensors, types = find_tensors(model, image_shape)
    keys = [tensor.name for tensor in tensors]
    if names is not None:
        keys = [name for name in names if name.rpartition(".")[2] != "num_batches_tracked"]
        if len(keys) != len(tensors):
            raise InputError(
                f"{count_of(len(keys), 'name')}: expected {len(tensors)}, one for each tensor of {network}"
            )
        for key, tensor in zip(keys, tensors, strict=True):
            _check_name(key, tensor, model)
    given = by_path(variables)
    state_dict = {}
    for key, tensor in zip(keys, tensors, strict=True):
        if tensor.path not in given:
            raise InputError(f"{'/'.join(tensor.path)} is missing: expected the variables of {network}")
        value, expected = np.asarray(given[tensor.path]), types[tensor.path].shape
        if value.shape != expected:
            raise InputError(
                f"{'/'.join(tensor.path)} {value.shape}: expected {expected} for {network} on images {image_shape}"
            )
        state_dict[key] = np.array(tensor.to_torch(value), order="C")  # writable, as torch.from_numpy expects
    return state_dict


def _kind(name: str) -> str:
    """Return PyTorch's word at the end of a key, such as 'weight' or 'running_mean'; empty for other words."""
    word = str(name).rpartition(".")[2]
    kind = _CHAPTER_WORDS.get(word, word)
    return kind if kind in _CHAPTER_WORDS.values() else ""


def _check_name(name: str, tensor: Tensor, model: nn.Module) -> None:
    """Raise an `InputError` if a key ends in the word of another tensor than `tensor`."""
    network = type(model).__name__
    kind, expected = _kind(name), _kind(tensor.name)
    if kind in ("", expected):
        return
    if (kind, expected) == ("weight", "bias"):
        remedy = f", or make {network} with use_bias=False" if getattr(model, "use_bias", False) else ""
        raise InputError(f"{tensor} is missing before {name}: {network} has a bias there; {_SAME_LAYERS}{remedy}")
    raise InputError(f"{name}: expected {tensor} for {network}; {_SAME_ORDER}")


def _is_row(array: np.ndarray, tensor: Tensor) -> bool:
    """Return whether `array` is the vector `tensor` with extra axes of size 1, as in layers from scratch."""
    return len(tensor.shape) == 1 and array.size == tensor.shape[0] == max(array.shape)


def _as_numpy(name: str, tensor: Any) -> np.ndarray:
    """Convert a PyTorch tensor on any device, or anything else that NumPy accepts, to an array."""
    try:
        if hasattr(tensor, "detach"):
            tensor = tensor.detach().cpu()
            if str(tensor.dtype) == "torch.bfloat16":  # unknown to NumPy
                tensor = tensor.float()
        array = np.asarray(tensor)
    except (RuntimeError, TypeError, ValueError) as error:  # sparse, quantized or without data; ragged lists
        reason = first_line(error).rstrip(".")
        raise InputError(
            f"{name} cannot be read ({reason}): expected a dense tensor of real numbers; {_SAVE_AGAIN}"
        ) from error
    if not any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
        raise InputError(f"{name} has values of type {array.dtype}: expected real numbers; {_SAVE_AGAIN}")
    return array
