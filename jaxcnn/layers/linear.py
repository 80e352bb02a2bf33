"""Layers with a kernel and a bias: convolution and dense.

Both initialize kernel and bias from the uniform distribution on ±1/sqrt(fan_in), where fan_in is the number of inputs
that one output sums over. Flax's own layers cannot do this: their bias initializer gets only the shape of the bias,
which does not determine fan_in.
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
    """Convolution `ops.conv2d` with a learned kernel and bias.

    Both are initialized uniformly in ±1/sqrt(h * w * C_in).

    Attributes:
        features: number of output channels.
        kernel_size: height and width of the kernel; one integer for a square kernel.
        strides: step of the kernel along rows and columns, in pixels.
        padding: zeros added at the borders, in the forms of `ops.conv2d`.
        use_bias: whether to add a bias.
        dtype: type of the computation; None for the common type of input and parameters.
        param_dtype: type of the parameters.

    Raises:
        ValueError: if the kernel is larger than the padded input, the parameters have other shapes than the input
            needs, there are no input channels or features, or a number is out of range.

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
        """Compute the convolution of `x`, (N, H, W, C), with shape (N, H_out, W_out, features)."""
        shape = (*pair(self.kernel_size, "kernel size", minimum=1), x.shape[-1], self.features)
        kernel, bias = _parameters(self, x, shape)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        return ops.conv2d(x, kernel, bias, strides=self.strides, padding=self.padding)


class Dense(nn.Module):
    """Dense layer, y = x @ kernel + bias, with a learned kernel and bias.

    Both are initialized uniformly in ±1/sqrt(inputs).

    Attributes:
        features: number of outputs.
        use_bias: whether to add a bias.
        dtype: type of the computation; None for the common type of input and parameters.
        param_dtype: type of the parameters.

    Raises:
        ValueError: if the parameters have other shapes than the input needs, or there are no inputs or features.

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
        """Compute the outputs for `x`, (N, inputs), with shape (N, features)."""
        kernel, bias = _parameters(self, x, (x.shape[-1], self.features))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        y = x @ kernel
        return y if bias is None else y + bias.reshape(1, -1)


def _parameters(module: Conv | Dense, x: ops.ArrayLike, shape: tuple[int, ...]) -> tuple[Array, Array | None]:
    """Return the kernel of `shape`, whose last axis is the outputs, and the bias or None."""
    name = "/".join(module.path) or type(module).__name__
    if min(shape) < 1:
        raise ValueError(
            f"{name} with {module.features} features on an input {x.shape}: expected at least one "
            "feature and one channel"
        )
    if module.has_variable("params", "kernel"):
        given = module.get_variable("params", "kernel").shape
        if given != shape:
            raise ValueError(
                f"{name} on an input {x.shape}: expected a kernel {shape}, got {given}; give inputs of the size and "
                "channels with which the parameters were initialized"
            )
    bound = 1 / math.sqrt(math.prod(shape[:-1]))

    def uniform(key: Array, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(key, shape, module.param_dtype, -bound, bound)

    kernel = module.param("kernel", uniform, shape)
    return kernel, module.param("bias", uniform, shape[-1:]) if module.use_bias else None
