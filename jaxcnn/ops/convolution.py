"""Convolutions, which as everywhere in deep learning are cross-correlations: the kernel is not flipped."""

from functools import partial

import jax
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float, Shaped

from jaxcnn.ops.arguments import ArrayLike, as_floats, check_shapes
from jaxcnn.ops.geometry import Padding, PaddingPairs, Pair, Window, conv_output_shape, padding_pairs, pair

Tangent = Array | SymbolicZero


def conv2d(
    x: Shaped[ArrayLike, "n h w c_in"],
    kernel: Shaped[ArrayLike, "k_h k_w c_kernel c_out"],
    bias: Shaped[ArrayLike, " c_out"] | None = None,
    *,
    strides: Window = 1,
    padding: Padding = 0,
) -> Float[Array, "n h_out w_out c_out"]:
    """Two-dimensional convolution of a batch of images, with padding and stride.

        y[n, i, j, o] = bias[o] + sum over (u, v, c) of
                        x[n, i * s_h + u - p_h, j * s_w + v - p_w, c] * kernel[u, v, c, o]

    where x counts as zero outside the image. (A kernel with NaN or infinities: XLA may leave the products with those
    zeros out.)

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
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
        >>> kernel = jnp.arange(4.0).reshape(2, 2, 1, 1)
        >>> conv2d(x, kernel)[0, :, :, 0].tolist()
        [[19.0, 25.0], [37.0, 43.0]]

    References:
        Sections 4.1 to 4.3.
    """
    biases = {} if bias is None else {"bias": (bias, "C_out")}
    axes = check_shapes("conv2d", x=(x, "N H W C_in"), kernel=(kernel, "h w C_in C_out"), **biases)
    steps, pads = pair(strides, "strides", minimum=1), padding_pairs(padding)
    # raises if the kernel does not fit:
    conv_output_shape((axes["H"], axes["W"]), (axes["h"], axes["w"]), strides=steps, padding=pads)
    if bias is None:
        return _conv2d(*as_floats(x, kernel), steps, pads)
    x, kernel, bias = as_floats(x, kernel, bias)
    return _conv2d(x, kernel, steps, pads) + bias.reshape(1, 1, 1, -1)


# XLA's CPU compiler brings a convolution into the form of its fast kernels, NHWC with HWIO, only outside loops. The
# gradients that JAX derives from that form are not in it, so inside a compiled loop they run as naive loops: about
# three times the step of LeNet. Deriving a gradient swaps axes: input and output channels of the kernel for dx, batch
# and channels of the images for dkernel. So the tangents below are the same sums with these axes swapped beforehand,
# and the gradients derived from them come out in the fast form.
@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _conv2d(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs) -> Array:
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@partial(_conv2d.defjvp, symbolic_zeros=True)
def _conv2d_jvp(
    strides: Pair, padding: PaddingPairs, primals: tuple[Array, Array], tangents: tuple[Tangent, Tangent]
) -> tuple[Array, Array]:
    (x, kernel), (dx, dkernel) = primals, tangents
    convolve = partial(lax.conv_general_dilated, window_strides=strides, padding=padding)
    dy = []
    if not isinstance(dx, SymbolicZero):
        dy.append(convolve(dx, kernel.swapaxes(2, 3), dimension_numbers=("NHWC", "HWOI", "NHWC")))
    if not isinstance(dkernel, SymbolicZero):
        swapped = convolve(
            x.transpose(3, 1, 2, 0), dkernel.transpose(2, 0, 1, 3), dimension_numbers=("CHWN", "IHWO", "HWNC")
        )
        dy.append(swapped.transpose(2, 0, 1, 3))
    return _conv2d(x, kernel, strides, padding), sum(dy[1:], dy[0])
