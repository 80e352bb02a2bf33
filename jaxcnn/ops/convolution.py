"""Convolutions, which as everywhere in deep learning are cross-correlations: the kernel is not flipped."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxcnn.ops.geometry import Padding, PaddingPairs, Pair, Window, conv_output_shape, padding_pairs, pair


def conv2d(
    x: Shaped[Array, "n h w c_in"],
    kernel: Shaped[Array, "k_h k_w c_kernel c_out"],
    bias: Shaped[Array, " c_out"] | None = None,
    *,
    strides: Window = 1,
    padding: Padding = 0,
) -> Float[Array, "n h_out w_out c_out"]:
    """Two-dimensional convolution of a batch of images, with padding and stride.

        y[n, i, j, o] = bias[o] + sum over (u, v, c) of
                        x[n, i * s_h + u - p_h, j * s_w + v - p_w, c] * kernel[u, v, c, o]

    where x counts as zero outside the image.

    Args:
        x: images, (N, H, W, C_in).
        kernel: weights, (h, w, C_in, C_out).
        bias: one number for each output channel, or None.
        strides: step of the kernel along rows and columns.
        padding: zeros added at the borders: a number, one for each axis, or a (low, high) pair for each axis.

    Returns:
        (N, H_out, W_out, C_out), sized by `conv_output_shape`, in the inputs' common floating type.

    Raises:
        ValueError: if the channels of `x` and `kernel` differ, the kernel is larger than the padded image, or a stride
            or padding is out of its range.

    Examples:
        >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
        >>> kernel = jnp.arange(4.0).reshape(2, 2, 1, 1)
        >>> conv2d(x, kernel)[0, :, :, 0].tolist()
        [[19.0, 25.0], [37.0, 43.0]]

    References:
        Sections 4.1 to 4.3.
    """
    if x.ndim != 4 or kernel.ndim != 4:
        raise ValueError(
            f"conv2d of an input of shape {x.shape} and a kernel of shape {kernel.shape}: (N, H, W, C_in) and "
            "(h, w, C_in, C_out) are needed"
        )
    if x.shape[3] != kernel.shape[2]:
        raise ValueError(
            f"conv2d of an input of shape {x.shape} with a kernel of shape {kernel.shape}: the input has {x.shape[3]} "
            f"channels where the kernel takes {kernel.shape[2]}"
        )
    (_, height, width, _), (k_h, k_w, _, _) = x.shape, kernel.shape
    conv_output_shape((height, width), (k_h, k_w), strides=strides, padding=padding)  # raises if it does not fit
    dtype = jnp.result_type(x, kernel, 1.0)
    y = _conv2d(x.astype(dtype), kernel.astype(dtype), pair(strides, "strides", minimum=1), padding_pairs(padding))
    return y if bias is None else y + bias.astype(dtype).reshape(1, 1, 1, -1)


# XLA's CPU compiler brings a convolution into the form of its fast kernels only outside loops. JAX's own gradients are
# not in that form, so inside a compiled loop they run as naive loops (about three times the step of LeNet). The
# gradients below are the same sums, written as convolutions that are in that form to begin with.
def _conv2d_primal(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs) -> Array:
    return _convolve(x, kernel, strides=strides, padding=padding)


def _conv2d_forward(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs) -> tuple[Array, tuple[Array, Array]]:
    return _conv2d_primal(x, kernel, strides, padding), (x, kernel)


def _conv2d_backward(
    strides: Pair, padding: PaddingPairs, residuals: tuple[Array, Array], dy: Array
) -> tuple[Array, Array]:
    x, kernel = residuals
    (_, height, width, _), (k_h, k_w, _, _), (_, rows, columns, _) = x.shape, kernel.shape, dy.shape
    (top, _), (left, _) = padding
    last_row, last_column = (rows - 1) * strides[0], (columns - 1) * strides[1]  # where the last window begins
    # dx: the flipped kernel slides over dy, which is spread out by the stride.
    around = (
        (k_h - 1 - top, height - 1 + top - last_row),
        (k_w - 1 - left, width - 1 + left - last_column),
    )
    flipped = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    dx = _convolve(dy, flipped, padding=around, lhs_dilation=strides)
    # dkernel: dy slides over x, input channels in the place of the batch and the batch in the place of the channels.
    beside = (
        (top, last_row + k_h - height - top),
        (left, last_column + k_w - width - left),
    )
    dkernel = _convolve(x.transpose(3, 1, 2, 0), dy.transpose(1, 2, 0, 3), padding=beside, rhs_dilation=strides)
    return dx, dkernel.transpose(1, 2, 0, 3)


_conv2d = jax.custom_vjp(_conv2d_primal, nondiff_argnums=(2, 3))
_conv2d.defvjp(_conv2d_forward, _conv2d_backward)


def _convolve(
    lhs: Array,
    rhs: Array,
    *,
    strides: Pair = (1, 1),
    padding: PaddingPairs,
    lhs_dilation: Pair = (1, 1),
    rhs_dilation: Pair = (1, 1),
) -> Array:
    return lax.conv_general_dilated(
        lhs, rhs, strides, padding, lhs_dilation, rhs_dilation, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
