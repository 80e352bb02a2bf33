"""Pure array functions: no state, no input or output, nothing of Flax.

Everything batched is channel-last: images are (N, H, W, C) and kernels (h, w, C_in, C_out). Floating inputs keep
their precision; integers are promoted to JAX's default float. Padding is always explicit numbers.
"""

from jaxcnn.ops.convolution import conv2d
from jaxcnn.ops.geometry import Padding, Window, conv_output_shape
from jaxcnn.ops.pooling import max_pool2d

__all__ = ["Padding", "Window", "conv2d", "conv_output_shape", "max_pool2d"]
