"""Weights in and out: to and from other libraries, without importing them."""

from jaxcnn.interop.torch_weights import variables_from_torch, variables_to_torch

__all__ = ["variables_from_torch", "variables_to_torch"]
