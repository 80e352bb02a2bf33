"""Pure array functions: no state, no input or output, nothing of Flax.

The chapter's own functions (`corr2d` and its kin, `pool2d`) take one image without a batch axis, channel-first where
there are channels: (H, W) or (C, H, W), kernels (C_out, C_in, h, w). `jax.vmap` batches them. Everything that takes a
batch is channel-last: images are (N, H, W, C) and kernels (h, w, C_in, C_out).

All work under `jit`, `vmap`, `grad` and `jvp`, on arrays of JAX and of NumPy. Results have the floating type that the
inputs have in common: float16, bfloat16, float32 and, where JAX's x64 mode is on, float64. Integers and booleans take
the type of the floats beside them, or JAX's default float; other types are refused. Padding is always explicit
numbers. What cannot be is a ValueError that names the shapes, raised while tracing.
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
