"""Loading of weights from safetensors files, as the variables of a network."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from flax import linen as nn
from flax.traverse_util import unflatten_dict

from jaxcnn.errors import InputError, list_names
from jaxcnn.interop.torch_layout import Variables, find_tensors
from jaxcnn.interop.torch_weights import variables_from_torch
from jaxcnn.models.resnet import Bottleneck, ResNet

_COLLECTIONS = ("params/", "batch_stats/")


def load_weights(path: Path, model: nn.Module, image_size: int) -> Variables:
    """Load the variables in a safetensors file for a network like `model`, with the classes and channels of the file.

    The file is from `export_network`, or contains the state_dict of a PyTorch module. A safetensors file sorts its
    tensors, so those of PyTorch are matched by name: the names of `variables_to_torch`, or torchvision's for a ResNet.

    Args:
        path: the file.
        model: the network; its number of classes can differ.
        image_size: height and width of its images in pixels.

    Returns:
        {'params', 'batch_stats'}. 'batch_stats' can be missing if there is no batch norm.

    Raises:
        InputError: if the file cannot be read, or its tensors have other names or do not fit the network.
    """
    tensors = _read(path)
    if all(name.startswith(_COLLECTIONS) for name in tensors):
        return unflatten_dict(tensors, sep="/")
    tensors = {name: array for name, array in tensors.items() if array.ndim > 0}  # without num_batches_tracked
    if not tensors:
        raise InputError(f"{path} has no tensors with axes: expected the weights of a network")
    state_dict = _in_order(path, tensors, model, image_size)
    shapes = [array.shape for array in state_dict.values()]
    if hasattr(model, "num_classes"):
        model = model.clone(num_classes=shapes[-1][0])
    channels = shapes[0][1] if len(shapes[0]) == 4 else 1
    try:
        return variables_from_torch(model, state_dict, (image_size, image_size, channels))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _read(path: Path) -> dict[str, np.ndarray]:
    """The tensors in a safetensors file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, TypeError, KeyError) as error:  # the last two: of a type that NumPy lacks
        raise InputError(
            f"{path} cannot be read ({error}): expected a float32 safetensors file, such as one from jaxcnn export "
            "--format safetensors"
        ) from error
    if not tensors:
        raise InputError(f"{path} has no tensors: expected the weights of a network")
    return tensors


def _in_order(
    path: Path, tensors: Mapping[str, np.ndarray], model: nn.Module, image_size: int
) -> dict[str, np.ndarray]:
    """`tensors` of PyTorch in the order of the network, found by their names."""
    network = type(model).__name__
    namings = [_names(model, image_size)]
    if isinstance(model, ResNet):
        shortcut = 4 if model.block is Bottleneck else 3
        without_biases = _names(model.clone(use_bias=False), image_size)
        namings.append([_torchvision_name(name, shortcut) for name in without_biases])
    names = max(namings, key=lambda names: len(set(names) & set(tensors)))
    if unknown := sorted(set(tensors) - set(names)):
        raise InputError(
            f"{path} has tensors that {network} lacks ({list_names(unknown)}): expected names such as "
            f"{', '.join(names[:3])}; rename them, or use interop.variables_from_torch, which matches tensors by order"
        )
    return {name: tensors[name] for name in names if name in tensors}


def _names(model: nn.Module, image_size: int) -> list[str]:
    """The names of `variables_to_torch`, in order."""
    return [tensor.name for tensor in find_tensors(model, (image_size, image_size, 3))[0]]


def _torchvision_name(name: str, shortcut: int) -> str:
    """Torchvision's name of a tensor of `ResNet`, in whose blocks the shortcut is layer `shortcut`.

    Examples:
        >>> _torchvision_name("stage2_block1.norm2.bias", 3), _torchvision_name("stage2_block1.conv3.weight", 3)
        ('layer2.0.bn2.bias', 'layer2.0.downsample.0.weight')
    """
    name = re.sub(r"^stage(\d+)_block(\d+)", lambda found: f"layer{found[1]}.{int(found[2]) - 1}", name)
    name = re.sub(rf"^(layer.*)\.conv{shortcut}\.", r"\1.downsample.0.", name)
    name = re.sub(rf"^(layer.*)\.norm{shortcut}\.", r"\1.downsample.1.", name)
    return name.replace("norm", "bn").replace("dense", "fc")
