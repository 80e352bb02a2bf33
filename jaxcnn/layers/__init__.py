"""Thin Linen modules over `jaxcnn.ops`, initialised as documented."""

from jaxcnn.layers.correlation import Corr2D
from jaxcnn.layers.linear import Conv, Dense

__all__ = ["Conv", "Corr2D", "Dense"]
