"""Weights and networks in and out: to and from other programs, without importing them."""

from jaxcnn.interop.export import export_network, read_safetensors
from jaxcnn.interop.torch_weights import variables_from_torch, variables_to_torch

__all__ = ["export_network", "read_safetensors", "variables_from_torch", "variables_to_torch"]
