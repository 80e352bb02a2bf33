"""The layers with a kernel and a bias: convolution and dense.

Both draw kernel and bias from the uniform distribution on +-1/sqrt(fan_in), where fan_in is how many inputs one output
sums over. Flax's initialisers see the shape of the parameter alone, from which a bias cannot tell its fan_in; hence
these modules.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.ops.geometry import pair


class Conv(nn.Module):
    """Convolution `ops.conv2d` with its parameters, both uniform in +-1/sqrt(h * w * C_in).

    Attributes:
        features: output channels.
        kernel_size: height and width of the kernel.
        strides: step of the kernel along rows and columns.
        padding: zeros added at the borders.
        use_bias: whether a bias is added.
        dtype: type of the computation; None for that of input and parameters together.
        param_dtype: type of the parameters.

    Raises:
        ValueError: if the kernel is larger than the padded input, or a number is out of its range.

    Examples:
        >>> layer = Conv(6, 5)
        >>> variables = layer.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)))
        >>> variables["params"]["kernel"].shape, variables["params"]["bias"].shape
        ((5, 5, 1, 6), (6,))

    References:
        Section 4.3.
    """

    features: int
    kernel_size: ops.Window
    strides: ops.Window = 1
    padding: ops.Padding = 0
    use_bias: bool = True
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"]) -> Float[Array, "n h_out w_out features"]:
        """The convolution of `x`, (N, H, W, C), as (N, H_out, W_out, features)."""
        shape = (*pair(self.kernel_size, "kernel size", minimum=1), x.shape[-1], self.features)
        kernel, bias = _parameters(self, shape, use_bias=self.use_bias)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        return ops.conv2d(x, kernel, bias, strides=self.strides, padding=self.padding)


class Dense(nn.Module):
    """Product with a matrix, plus a bias: y = x @ kernel + bias, both uniform in +-1/sqrt(inputs).

    Attributes:
        features: outputs.
        use_bias: whether a bias is added.
        dtype: type of the computation; None for that of input and parameters together.
        param_dtype: type of the parameters.

    Examples:
        >>> layer = Dense(10)
        >>> y, variables = layer.init_with_output(jax.random.key(0), jnp.zeros((1, 84)))
        >>> y.shape, variables["params"]["kernel"].shape
        ((1, 10), (84, 10))

    References:
        Section 4.5.
    """

    features: int
    use_bias: bool = True
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n inputs"]) -> Float[Array, "n features"]:
        """The product of `x`, (N, inputs), as (N, features)."""
        kernel, bias = _parameters(self, (x.shape[-1], self.features), use_bias=self.use_bias)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = x @ kernel
        return y if bias is None else y + bias.reshape(1, -1)


def _parameters(module: Conv | Dense, shape: tuple[int, ...], *, use_bias: bool) -> tuple[Array, Array | None]:
    """Kernel of `shape`, whose last axis is the outputs, and bias or None."""
    bound = 1 / math.sqrt(math.prod(shape[:-1]))

    def uniform(key: Array, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(key, shape, module.param_dtype, -bound, bound)

    kernel = module.param("kernel", uniform, shape)
    return kernel, module.param("bias", uniform, shape[-1:]) if use_bias else None
