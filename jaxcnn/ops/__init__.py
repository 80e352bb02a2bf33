"""Pure array functions. They keep no state, do no I/O and import nothing from Flax.

The chapter's own functions (`corr2d` and its variants, `pool2d`) take one image without a batch axis, channel-first
where it has channels: (H, W) or (C, H, W), with kernels (C_out, C_in, h, w). `jax.vmap` batches them. All other
functions take a batch in channel-last layout: images (N, H, W, C) and kernels (h, w, C_in, C_out).

All functions work under `jit`, `vmap`, `grad` and `jvp` and accept JAX and NumPy arrays. A result has the common
floating type of the inputs: float16, bfloat16, float32 or, in JAX's x64 mode, float64. Integers and booleans are
converted to the type of the other inputs, or to JAX's default float type. Other types raise a `ValueError`. Invalid
shapes raise a `ValueError` that names them, at trace time.
"""

from jaxcnn.ops.arguments import ArrayLike
from jaxcnn.ops.convolution import conv2d
from jaxcnn.ops.correlation import corr2d, corr2d_multi_in, corr2d_multi_in_out, corr2d_multi_in_out_1x1
from jaxcnn.ops.geometry import Padding, Window, conv_output_shape
from jaxcnn.ops.normalization import BatchStats, batch_norm
from jaxcnn.ops.pooling import avg_pool2d, global_avg_pool2d, max_pool2d, pool2d

__all__ = [
    "ArrayLike",
    "BatchStats",
    "Padding",
    "Window",
    "avg_pool2d",
    "batch_norm",
    "conv2d",
    "conv_output_shape",
    "corr2d",
    "corr2d_multi_in",
    "corr2d_multi_in_out",
    "corr2d_multi_in_out_1x1",
    "global_avg_pool2d",
    "max_pool2d",
    "pool2d",
]
