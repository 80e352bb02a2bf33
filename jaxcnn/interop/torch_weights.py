"""PyTorch's weights as variables of a network, and back.

Order and shapes decide, not names: a state_dict has its tensors in the order in which the module's constructor makes
its layers. That is the order in which the network calls them, but for residual blocks, whose constructors make their
convolutions first. Nothing of PyTorch is imported, and no file is opened.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxcnn.errors import InputError
from jaxcnn.layers import BatchNorm, Conv, Dense, Flatten
from jaxcnn.models.resnet import Bottleneck, Residual

Variables = dict[str, Any]
Shape = tuple[int, ...]
Path = tuple[str, ...]
Turn = Callable[[np.ndarray], np.ndarray]

_NORMS = (BatchNorm, nn.BatchNorm)
_CONVOLUTIONS_FIRST = (Residual, Bottleneck)


@dataclass(frozen=True)
class _Tensor:
    """One tensor of a state_dict, and the variable that it is.

    Attributes:
        path: of the variable: collection, layers, name.
        name: PyTorch's, of layer and tensor.
        shape: as PyTorch has it.
        from_torch: brings PyTorch's axes into ours.
        to_torch: brings ours into PyTorch's.
    """

    path: Path
    name: str
    shape: Shape
    from_torch: Turn
    to_torch: Turn

    def __str__(self) -> str:
        return f"{self.name} {self.shape}"


@dataclass(frozen=True)
class _Layer:
    """A layer as it was called: its module, path, the module around it, and what was flattened right before it."""

    module: nn.Module
    path: Path
    parent: Any
    flattened: Shape | None


def variables_from_torch(
    model: nn.Module, state_dict: Mapping[str, Any], image_shape: tuple[int, int, int]
) -> Variables:
    """The variables of `model` that hold the weights of a PyTorch module of the same layers.

    Kernels turn from (C_out, C_in, h, w) to (h, w, C_in, C_out), matrices from (outputs, inputs) to (inputs, outputs),
    and behind a flatten the inputs from channel-first order to channel-last.

    Args:
        model: a network of `jaxcnn.models`, or another made of `jaxcnn.layers` and Flax's BatchNorm.
        state_dict: tensors or NumPy arrays, in the order of PyTorch's `module.state_dict()`; its keys are only named in
            errors. Scalars, such as num_batches_tracked, are passed over. Where it has no running statistics at all, as
            of a layer from scratch that keeps them elsewhere, they are those that the network begins with.
        image_shape: height, width and channels of one image as the network takes it.

    Returns:
        {'params', 'batch_stats'} in the network's own types; without batch norm the second is absent.

    Raises:
        InputError: if a tensor is missing, left over, of another shape, or holds what is no finite number; it names the
            layer.

    Examples:
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
            f"weights given as {type(state_dict).__name__}: a mapping from names to tensors is needed, such as "
            "module.state_dict() or what safetensors.numpy.load_file returns"
        )
    network = type(model).__name__
    given = {name: array for name, value in state_dict.items() if (array := _as_numpy(name, value)).ndim > 0}
    tensors, types = _tensors(model, image_shape)
    params = [tensor for tensor in tensors if tensor.path[0] == "params"]
    variables: dict[Path, Any] = {}
    if len(given) == len(params) < len(tensors):
        tensors = params
        variables = _initial_statistics(model, image_shape)
    remaining = iter(given.items())
    for tensor in tensors:
        name, array = next(remaining, (None, None))
        if array is None:
            raise InputError(f"{len(given)} tensors where {network} has {len(tensors)}: none is left for {tensor}")
        if array.shape != tensor.shape and not _is_row(array, tensor):
            raise InputError(f"{name} {array.shape} where {network} has {tensor}")
        dtype = types[tensor.path].dtype
        with np.errstate(over="ignore"):
            value = tensor.from_torch(array.reshape(tensor.shape)).astype(dtype)
        if not np.isfinite(value).all():
            raise InputError(f"{name} holds numbers that are not finite, or not as {dtype}: get the weights anew")
        variables[tensor.path] = jnp.asarray(value)
    for name, array in remaining:
        raise InputError(
            f"{len(given)} tensors where {network} has {len(tensors)}: {name} {array.shape} is left after {tensors[-1]}"
        )
    return unflatten_dict(variables)


def variables_to_torch(
    model: nn.Module,
    variables: Mapping[str, Any],
    image_shape: tuple[int, int, int],
    *,
    names: Iterable[str] | None = None,
) -> dict[str, np.ndarray]:
    """The state_dict of a PyTorch module of the same layers: the inverse of `variables_from_torch`.

    Args:
        model: the network.
        variables: its {'params', 'batch_stats'}.
        image_shape: height, width and channels of one image as the network takes it.
        names: keys to give, in the order of PyTorch's `module.state_dict()`; num_batches_tracked among them are passed
            over. Unless given, keys are our layers' with PyTorch's names: 'conv1.weight', 'norm1.running_mean'.

    Returns:
        NumPy arrays in PyTorch's shapes and order. Made tensors by `torch.from_numpy`, `load_state_dict` takes them.

    Raises:
        InputError: if `variables` are not those of `model`, or `names` are more or fewer than the tensors.
    """
    network = type(model).__name__
    tensors, types = _tensors(model, image_shape)
    keys = [tensor.name for tensor in tensors]
    if names is not None:
        keys = [name for name in names if name.rpartition(".")[2] != "num_batches_tracked"]
        if len(keys) != len(tensors):
            raise InputError(f"{len(keys)} names where {network} has {len(tensors)} tensors")
    given = _by_path(variables)
    state_dict = {}
    for key, tensor in zip(keys, tensors, strict=True):
        if tensor.path not in given:
            raise InputError(f"no {'/'.join(tensor.path)} in the variables, where {network} has one")
        value = np.asarray(given[tensor.path])
        if value.shape != types[tensor.path].shape:
            raise InputError(f"{'/'.join(tensor.path)} {value.shape} where {network} has {types[tensor.path].shape}")
        state_dict[key] = np.ascontiguousarray(tensor.to_torch(value))
    return state_dict


def _tensors(model: nn.Module, image_shape: tuple[int, int, int]) -> tuple[list[_Tensor], dict[Path, Any]]:
    """The tensors of a state_dict of `model`, in order, and the shapes and types of the network's variables."""
    layers: list[_Layer] = []
    flattened: Shape | None = None

    def record(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: Any) -> Any:
        nonlocal flattened
        module = context.module
        if context.method_name == "__call__":
            if isinstance(module, Flatten):
                flattened = args[0].shape[1:]
            elif isinstance(module, (Conv, Dense, *_NORMS)):
                layers.append(_Layer(module, module.path, module.parent, flattened))
                flattened = None
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        types = _by_path(jax.eval_shape(partial(_initial_variables, model, image_shape)))
    tensors: list[_Tensor] = []
    for _, group in groupby(layers, key=lambda layer: layer.path[:-1]):
        in_block = list(group)
        if isinstance(in_block[0].parent, _CONVOLUTIONS_FIRST):
            in_block.sort(key=lambda layer: isinstance(layer.module, _NORMS))
        tensors += [tensor for layer in in_block for tensor in _tensors_of(layer, types)]
    return tensors, types


def _tensors_of(layer: _Layer, types: Mapping[Path, Any]) -> list[_Tensor]:
    """The layer's tensors that the network has, in PyTorch's order."""
    match layer.module:
        case Conv():
            weight = ("params", "kernel", "weight", _kernel_from_torch, _kernel_to_torch)
        case Dense():
            inputs = layer.flattened
            weight = (
                "params", "kernel", "weight",
                partial(_matrix_from_torch, inputs=inputs), partial(_matrix_to_torch, inputs=inputs),
            )  # fmt: skip
        case _:
            weight = ("params", "scale", "weight", np.asarray, np.asarray)
    tensors = []
    for collection, variable, name, from_torch, to_torch in (
        weight,
        ("params", "bias", "bias", np.asarray, np.asarray),
        ("batch_stats", "mean", "running_mean", np.asarray, np.asarray),
        ("batch_stats", "var", "running_var", np.asarray, np.asarray),
    ):
        path = (collection, *layer.path, variable)
        if path in types:
            shape = to_torch(np.empty(types[path].shape, np.bool_)).shape
            tensors.append(_Tensor(path, ".".join((*layer.path, name)), shape, from_torch, to_torch))
    return tensors


def _kernel_from_torch(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(2, 3, 1, 0)


def _kernel_to_torch(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(3, 2, 0, 1)


def _matrix_from_torch(matrix: np.ndarray, *, inputs: Shape | None) -> np.ndarray:
    """(outputs, inputs) as (inputs, outputs); `inputs` is the (H, W, C) that was flattened, if any."""
    if inputs is None:
        return matrix.T
    height, width, channels = inputs
    return matrix.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(height * width * channels, -1)


def _matrix_to_torch(matrix: np.ndarray, *, inputs: Shape | None) -> np.ndarray:
    if inputs is None:
        return matrix.T
    height, width, channels = inputs
    return matrix.reshape(height, width, channels, -1).transpose(3, 2, 0, 1).reshape(-1, height * width * channels)


def _initial_variables(model: nn.Module, image_shape: tuple[int, int, int]) -> Variables:
    return dict(model.init(jax.random.key(0), jnp.zeros((1, *image_shape)), train=False))


def _initial_statistics(model: nn.Module, image_shape: tuple[int, int, int]) -> dict[Path, Any]:
    """Compiled, so that the parameters are not drawn for nothing."""
    return _by_path(jax.jit(lambda: {"batch_stats": _initial_variables(model, image_shape)["batch_stats"]})())


def _by_path(variables: Mapping[str, Any]) -> dict[Path, Any]:
    return cast(dict[Path, Any], flatten_dict(variables))


def _is_row(array: np.ndarray, tensor: _Tensor) -> bool:
    """Whether `array` is the vector `tensor` with axes of size 1 around it, as a layer from scratch may keep it."""
    return len(tensor.shape) == 1 and array.size == tensor.shape[0] == max(array.shape)


def _as_numpy(name: str, tensor: Any) -> np.ndarray:
    """A tensor of PyTorch's, wherever it is, or anything that NumPy takes."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu()
        if str(tensor.dtype) == "torch.bfloat16":  # which NumPy lacks
            tensor = tensor.float()
    try:
        array = np.asarray(tensor)
    except ValueError as error:  # lists of several lengths
        raise InputError(f"{name} is no array: its rows differ in length") from error
    if not any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.floating, jnp.integer, jnp.bool_)):
        raise InputError(f"{name} holds values of type {array.dtype}: real numbers are needed")
    return array
