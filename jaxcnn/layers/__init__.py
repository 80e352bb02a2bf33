"""Thin Linen modules over `jaxcnn.ops`, initialised as documented."""

from jaxcnn.layers.linear import Conv, Dense

__all__ = ["Conv", "Dense"]
