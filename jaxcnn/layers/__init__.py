"""Thin Linen modules over `jaxcnn.ops`. Conv and Dense have PyTorch's default initialization."""

from jaxcnn.layers.correlation import Corr2D
from jaxcnn.layers.linear import Conv, Dense
from jaxcnn.layers.normalization import (
    BatchNorm,
    library_batch_norm,
    scratch_batch_norm,
    uniform_scale,
    uniform_scale_batch_norm,
)
from jaxcnn.layers.reshaping import Flatten

__all__ = [
    "BatchNorm", "Conv", "Corr2D", "Dense", "Flatten", "library_batch_norm", "scratch_batch_norm",
    "uniform_scale", "uniform_scale_batch_norm",
]  # fmt: skip
