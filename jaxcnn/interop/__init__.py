"""Exchange of weights and networks with other programs, without importing them."""

from jaxcnn.interop.export import export_network, read_safetensors
from jaxcnn.interop.metadata import NetworkInfo
from jaxcnn.interop.torch_weights import variables_from_torch, variables_to_torch
from jaxcnn.interop.weight_files import load_weights

__all__ = [
    "NetworkInfo",
    "export_network",
    "load_weights",
    "read_safetensors",
    "variables_from_torch",
    "variables_to_torch",
]
