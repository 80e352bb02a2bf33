"""The layout of a PyTorch state_dict: its tensors in order, and the corresponding variables of a network.

A state_dict has its tensors in the order in which the module's constructor creates its layers. This is the order in
which the network calls them, except in the chapter's residual blocks, whose constructors create the convolutions first.
Residual blocks without biases have the order of torchvision's, which is that of the calls.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict

from jaxcnn.errors import InputError
from jaxcnn.layers import BatchNorm, Conv, Dense, Flatten
from jaxcnn.models.calls import ModuleCall, record_calls
from jaxcnn.models.resnet import Bottleneck, Residual

Variables = dict[str, Any]
Shape = tuple[int, ...]
Path = tuple[str, ...]
Conversion = Callable[[np.ndarray], np.ndarray]

_NORMS = (BatchNorm, nn.BatchNorm)
_CONVOLUTIONS_FIRST = (Residual, Bottleneck)


@dataclass(frozen=True)
class Tensor:
    """One tensor of a state_dict and the corresponding variable.

    Attributes:
        path: path of the variable: collection, layers, name.
        name: name of the tensor: layers, and PyTorch's name, such as 'conv1.weight'.
        shape: shape of the tensor in PyTorch.
        from_torch: converts PyTorch's axes to ours.
        to_torch: converts our axes to PyTorch's.
    """

    path: Path
    name: str
    shape: Shape
    from_torch: Conversion
    to_torch: Conversion

    def __str__(self) -> str:
        return f"{self.name} {self.shape}"


def find_tensors(model: nn.Module, image_shape: tuple[int, int, int]) -> tuple[list[Tensor], dict[Path, Any]]:
    """Return the tensors of a state_dict of `model`, in order, and the shapes and types of the network's variables."""
    with record_calls() as calls:
        types = by_path(jax.eval_shape(partial(_initial_variables, model, image_shape)))
    relevant = [call for call in calls if isinstance(call.module, (Conv, Dense, Flatten, *_NORMS))]
    flattened = _flattened_inputs(relevant)
    layers = [call for call in relevant if not isinstance(call.module, Flatten)]
    tensors: list[Tensor] = []
    for _, group in groupby(layers, key=lambda layer: layer.path[:-1]):
        in_block = list(group)
        block = in_block[0].module.parent
        if isinstance(block, _CONVOLUTIONS_FIRST) and block.use_bias:
            in_block.sort(key=lambda layer: isinstance(layer.module, _NORMS))
        tensors += [tensor for layer in in_block for tensor in _tensors_of(layer, flattened.get(layer.path), types)]
    known = {tensor.path for tensor in tensors}
    for path in types:
        if path not in known:
            raise InputError(
                f"{'/'.join(path)} of {type(model).__name__} has no tensor of PyTorch: expected a network of Conv and "
                "Dense of jaxcnn.layers and of batch norms"
            )
    return tensors, types


def _flattened_inputs(calls: Sequence[ModuleCall]) -> dict[Path, Shape]:
    """The (H, W, C) that was flattened before each dense layer and norm that takes as many numbers.

    A convolution ends the search, and so does a dense layer with as many outputs, because later layers may take those.
    """
    found, inputs = {}, None
    for call in calls:
        if isinstance(call.module, Flatten):
            inputs = call.args[0].shape[1:]
        elif isinstance(call.module, Conv):
            inputs = None
        elif inputs is not None and call.args[0].shape[-1] == math.prod(inputs):
            found[call.path] = inputs
            if isinstance(call.module, Dense) and call.module.features == math.prod(inputs):
                inputs = None
    return found


def _tensors_of(layer: ModuleCall, inputs: Shape | None, types: Mapping[Path, Any]) -> list[Tensor]:
    """Return the layer's tensors in PyTorch's order. `inputs` is the (H, W, C) that was flattened before it, if any."""
    match layer.module:
        case Conv():
            of_vector = np.asarray, np.asarray
            weight = ("params", "kernel", "weight", _kernel_from_torch, _kernel_to_torch)
        case Dense():
            of_vector = np.asarray, np.asarray
            weight = (
                "params", "kernel", "weight",
                partial(_matrix_from_torch, inputs=inputs), partial(_matrix_to_torch, inputs=inputs),
            )  # fmt: skip
        case _:
            of_vector = partial(_vector_from_torch, inputs=inputs), partial(_vector_to_torch, inputs=inputs)
            weight = ("params", "scale", "weight", *of_vector)
    tensors = []
    for collection, variable, name, from_torch, to_torch in (
        weight,
        ("params", "bias", "bias", *of_vector),
        ("batch_stats", "mean", "running_mean", *of_vector),
        ("batch_stats", "var", "running_var", *of_vector),
    ):
        path = (collection, *layer.path, variable)
        if path in types:
            shape = to_torch(np.empty(types[path].shape, np.bool_)).shape
            tensors.append(Tensor(path, ".".join((*layer.path, name)), shape, from_torch, to_torch))
    return tensors


def _kernel_from_torch(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(2, 3, 1, 0)


def _kernel_to_torch(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(3, 2, 0, 1)


def _matrix_from_torch(matrix: np.ndarray, *, inputs: Shape | None) -> np.ndarray:
    """Transpose (outputs, inputs) to (inputs, outputs); `inputs` is the (H, W, C) that was flattened, if any."""
    if inputs is None:
        return matrix.T
    height, width, channels = inputs
    return matrix.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(height * width * channels, -1)


def _matrix_to_torch(matrix: np.ndarray, *, inputs: Shape | None) -> np.ndarray:
    if inputs is None:
        return matrix.T
    height, width, channels = inputs
    return matrix.reshape(height, width, channels, -1).transpose(3, 2, 0, 1).reshape(-1, height * width * channels)


def _vector_from_torch(vector: np.ndarray, *, inputs: Shape | None) -> np.ndarray:
    """Reorder a vector from channel-first to channel-last; `inputs` is the (H, W, C) that was flattened, if any."""
    if inputs is None:
        return vector
    height, width, channels = inputs
    return vector.reshape(channels, height, width).transpose(1, 2, 0).reshape(-1)


def _vector_to_torch(vector: np.ndarray, *, inputs: Shape | None) -> np.ndarray:
    return vector if inputs is None else vector.reshape(inputs).transpose(2, 0, 1).reshape(-1)


def _initial_variables(model: nn.Module, image_shape: tuple[int, int, int]) -> Variables:
    return dict(model.init(jax.random.key(0), jnp.zeros((1, *image_shape), jnp.float32), train=False))


def initial_statistics(model: nn.Module, image_shape: tuple[int, int, int]) -> dict[Path, Any]:
    """Return the initial batch statistics. Compilation removes the computation of the parameters."""
    return by_path(jax.jit(lambda: {"batch_stats": _initial_variables(model, image_shape)["batch_stats"]})())


def by_path(variables: Mapping[str, Any]) -> dict[Path, Any]:
    """Flatten variables to a mapping from paths to arrays."""
    return cast(dict[Path, Any], flatten_dict(variables))
