"""Convolutions. As usual in deep learning they are cross-correlations: the kernel is not flipped."""

import itertools
import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float, Shaped

from jaxcnn.ops import winograd
from jaxcnn.ops.arguments import ArrayLike, as_floats, check_shapes
from jaxcnn.ops.geometry import Padding, PaddingPairs, Pair, Window, conv_output_shape, padding_pairs, pair
from jaxcnn.ops.platforms import choose_form

Tangent = Array | SymbolicZero


def conv2d(
    x: Shaped[ArrayLike, "n h w c_in"],
    kernel: Shaped[ArrayLike, "k_h k_w c_kernel c_out"],
    bias: Shaped[ArrayLike, " c_out"] | None = None,
    strides: Window = 1,
    padding: Padding = 0,
) -> Float[Array, "n h_out w_out c_out"]:
    """Compute the 2-D convolution of a batch of images.

        y[n, i, j, o] = bias[o] + sum over (u, v, c) of
                        x[n, i * s_h + u - p_h, j * s_w + v - p_w, c] * kernel[u, v, c, o]

    where x is zero outside the image. XLA may skip the products of these zeros with NaN or infinity in the kernel. With
    few channels, NaN or infinity in the image can reach every output of its row; if the kernel has more pixels than the
    image, every output of its image; with many channels and a derivative, the outputs nearby.

    Args:
        x: images, (N, H, W, C_in). N, C_in and C_out can be 0.
        kernel: weights, (h, w, C_in, C_out).
        bias: one number for each output channel, (C_out,), or None.
        strides: step of the kernel along rows and columns, in pixels.
        padding: zeros added at the borders: an integer, one for each axis, a (low, high) pair for each axis, or 'SAME'
            or 'VALID'. With stride 2, 'SAME' differs from PyTorch's padding: it adds ((0, 1), (0, 1)) where an 8x8
            image and a 3x3 kernel have padding 1 in PyTorch.

    Returns:
        (N, H_out, W_out, C_out), with the size of `conv_output_shape`, in the common floating type of the inputs.

    Raises:
        ValueError: if the channels of `x` and `kernel` differ, the kernel is larger than the padded image, or a stride
            or padding is out of range.

    Examples:
        >>> import jax.numpy as jnp
        >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
        >>> kernel = jnp.arange(4.0).reshape(2, 2, 1, 1)
        >>> conv2d(x, kernel)[0, :, :, 0].tolist()
        [[19.0, 25.0], [37.0, 43.0]]
        >>> conv2d(x, kernel, None, 2, 1).shape, conv2d(x, kernel, padding="SAME").shape
        ((1, 2, 2, 1), (1, 3, 3, 1))

    References:
        Sections 4.1 to 4.3.
    """
    biases = {} if bias is None else {"bias": (bias, "C_out")}
    axes = check_shapes("conv2d", x=(x, "N H W C_in"), kernel=(kernel, "h w C_in C_out"), **biases)
    input_hw, kernel_hw = (axes["H"], axes["W"]), (axes["h"], axes["w"])
    conv_output_shape(input_hw, kernel_hw, strides, padding)  # raises if an argument is invalid
    steps = pair(strides, "strides", minimum=1)
    pads = padding_pairs(padding, input_hw, kernel_hw, steps)
    if bias is None:
        x, kernel = as_floats(x, kernel)
    else:
        x, kernel, bias = as_floats(x, kernel, bias)
    y = choose_form(
        x,
        kernel,
        cpu=partial(_conv2d_on_cpu, strides=steps, padding=pads),
        default=partial(_conv2d_of_lax, strides=steps, padding=pads),
    )
    return y if bias is None else y + bias.reshape(1, 1, 1, -1)


def _conv2d_of_lax(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs) -> Array:
    return lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@jax.named_scope("cpu_form")
def _conv2d_on_cpu(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs) -> Array:
    """Compute the convolution in the fastest form on CPUs, as `experiments/benchmarks/operations.py` measures them."""
    (_, height, width, _), (k_h, k_w, c_in, c_out) = x.shape, kernel.shape
    h_out, w_out = conv_output_shape((height, width), (k_h, k_w), strides, padding)
    if 0 in (c_in, c_out):  # no products
        return _conv2d_of_lax(x, kernel, strides, padding)
    if height * width < k_h * k_w and h_out * w_out <= 9:
        return _conv2d_of_whole_images(x, kernel, strides, padding)
    has_few_channels = c_in <= 8 and c_out <= 64
    if (k_h, k_w) == (1, 1) or h_out * w_out <= (16 if has_few_channels else 4):
        return _conv2d_as_product(x, kernel, strides, padding, columns=1)
    if has_few_channels:
        columns = max(2, 1 << (-(-48 // c_out) - 1).bit_length())
        return _conv2d_as_product(x, kernel, strides, padding, columns)
    return _conv2d_with_fast_gradients(x, kernel, strides, padding)


def _conv2d_of_whole_images(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs) -> Array:
    """Compute the convolution as the product of whole images and the matrix of the map, (H W C_in, H_out W_out C_out).

    The matrix contains zeros where an output does not depend on a pixel. If the kernel has more pixels than the image,
    it has fewer products than the convolution, most of whose products are with padding.
    """
    (n, height, width, c_in), (k_h, k_w, _, c_out) = x.shape, kernel.shape
    h_out, w_out = conv_output_shape((height, width), (k_h, k_w), strides, padding)
    zero = jnp.zeros((), kernel.dtype)
    placed = []
    for i, j in itertools.product(range(h_out), range(w_out)):
        top, left = i * strides[0] - padding[0][0], j * strides[1] - padding[1][0]
        around = ((top, height - k_h - top, 0), (left, width - k_w - left, 0), (0, 0, 0), (0, 0, 0))
        placed.append(lax.pad(kernel, zero, around))  # negative padding removes what lies outside the image
    matrix = jnp.stack(placed, axis=3).reshape(height * width * c_in, h_out * w_out * c_out)
    return (x.reshape(n, height * width * c_in) @ matrix).reshape(n, h_out, w_out, c_out)


def _conv2d_as_product(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs, columns: int) -> Array:
    """Compute the convolution as one matrix product that gives `columns` neighboring outputs per row.

    With few channels, the product for a single output column is too narrow for SIMD units of 8 or 16 lanes. Several
    columns at once also multiply zeros and are still faster.
    """
    (n, height, width, c_in), (k_h, k_w, _, c_out) = x.shape, kernel.shape
    (s_h, s_w), (rows, (left, right)) = strides, padding
    h_out = (height + sum(rows) - k_h) // s_h + 1
    w_out = (width + left + right - k_w) // s_w + 1
    if columns == 1 and (k_h, k_w) == (1, 1) and (s_h, s_w) == (1, 1) and not any((*rows, left, right)):
        return (x.reshape(-1, c_in) @ kernel.reshape(c_in, c_out)).reshape(n, height, width, c_out)

    groups = -(-w_out // columns)
    step = columns * s_w
    seen = (columns - 1) * s_w + k_w
    more = max(0, -(-(seen - step) // step))  # number of groups to the right that a group also reads
    end = (groups + more) * step - width - left
    zero = jnp.zeros((), x.dtype)
    padded = lax.pad(x, zero, ((0, 0, 0), (*rows, 0), (left, end, 0), (0, 0, 0)))
    padded = padded.reshape(n, height + sum(rows), groups + more, step * c_in)
    # Rows are gathered first, then columns: a single pass would copy the same numbers more often.
    below = [lax.slice_in_dim(padded, u, u + s_h * (h_out - 1) + 1, s_h, axis=1) for u in range(k_h)]
    strips = jnp.stack(below, axis=3)  # (n, h_out, groups + more, k_h, step * c_in)
    shifted = [
        lax.pad(kernel, jnp.zeros((), kernel.dtype), ((0, 0, 0), (at, seen - k_w - at, 0), (0, 0, 0), (0, 0, 0)))
        for at in range(0, step, s_w)
    ]
    band = jnp.stack(shifted, axis=3).reshape(k_h, seen * c_in, columns * c_out)
    windows, bands = [], []
    for at in range(more + 1):
        first, last = at * step * c_in, min((at + 1) * step, seen) * c_in
        windows.append(
            strips[:, :, at : at + groups, :, : last - first].reshape(n, h_out, groups, k_h * (last - first))
        )
        bands.append(band[:, first:last].reshape(k_h * (last - first), columns * c_out))
    rows_of_product = jnp.concatenate(windows, axis=-1).reshape(n * h_out * groups, k_h * seen * c_in)
    y = rows_of_product @ jnp.concatenate(bands)
    return y.reshape(n, h_out, groups * columns, c_out)[:, :, :w_out]


# XLA's CPU compiler converts a convolution to the layout of its fast kernels, NHWC with HWIO, only outside loops. The
# gradients that JAX derives from this layout have another one, so inside a compiled loop they run as naive loops.
# Transposition swaps axes: the kernel's input and output channels for dx, the images' batch and channels for dkernel.
# The tangents below are the same sums with these axes swapped in advance, so the gradients derived from them have the
# fast layout.
@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _conv2d_with_fast_gradients(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs) -> Array:
    return _conv2d_of_lax(x, kernel, strides, padding)


@partial(_conv2d_with_fast_gradients.defjvp, symbolic_zeros=True)
def _conv2d_jvp(
    strides: Pair, padding: PaddingPairs, primals: tuple[Array, Array], tangents: tuple[Tangent, Tangent]
) -> tuple[Array, Array]:
    (x, kernel), (dx, dkernel) = primals, tangents
    dy = []
    # A program without derivatives keeps lax's convolution, which other formats have too.
    if winograd.is_faster(x, kernel, strides, padding):
        y = winograd.conv2d(x, kernel, padding)
    else:
        y = _conv2d_with_fast_gradients(x, kernel, strides, padding)
    if not isinstance(dx, SymbolicZero):
        dy.append(_conv2d_with_gradient_for_images(dx, kernel, strides, padding))
    if not isinstance(dkernel, SymbolicZero):
        c_in, c_out = kernel.shape[2:]
        form = _conv2d_on_images_of_kernel if c_in > c_out else _conv2d_on_images_of_channels
        dy.append(form(x, dkernel, strides, padding))
    return y, sum(dy[1:], dy[0])


def _conv2d_with_gradient_for_images(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs) -> Array:
    """Compute the convolution in the form whose gradient for x is fast.

    With stride 1, this gradient is the convolution of dy with the kernel reversed and its channels swapped.
    """
    (n, height, width, _), (k_h, k_w, _, c_out) = x.shape, kernel.shape
    output_hw = conv_output_shape((height, width), (k_h, k_w), strides, padding)
    dy = jax.ShapeDtypeStruct((n, *output_hw, c_out), x.dtype)
    swapped = kernel.swapaxes(2, 3)
    (top, bottom), (left, right) = padding
    around = ((k_h - 1 - top, k_h - 1 - bottom), (k_w - 1 - left, k_w - 1 - right))
    if winograd.is_faster(dy, swapped, strides, around):
        gradient = partial(winograd.conv2d, kernel=lax.rev(swapped, (0, 1)), padding=around)
        return jax.linear_transpose(gradient, dy)(x)[0]
    layouts = ("NHWC", "HWOI", "NHWC")
    return lax.conv_general_dilated(x, swapped, strides, padding, dimension_numbers=layouts)


def _conv2d_on_images_of_channels(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs) -> Array:
    """Compute the convolution in the form whose gradient for the kernel is a convolution of x as (C_in, H, W, N).

    XLA computes this gradient as a matrix product with C_out columns.
    """
    is_small = x.shape[1] * x.shape[2] < 100  # a plain transposition is faster
    y = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0) if is_small else _channels_first(x),
        kernel.transpose(2, 0, 1, 3),
        strides,
        padding,
        dimension_numbers=("CHWN", "IHWO", "HWNC"),
    )
    return y.transpose(2, 0, 1, 3)


def _conv2d_on_images_of_kernel(x: Array, kernel: Array, strides: Pair, padding: PaddingPairs) -> Array:
    """Compute the convolution in the form whose gradient for the kernel is a convolution of dy as (C_out, H, W, N).

    XLA computes this gradient as a matrix product with C_in columns, which is faster if there are more of them. Here
    the kernel takes the place of the images, and x that of the kernel:

        y[o, i, j, n] = sum over (u, v, c) of kernel[u, v, c, o] * x[n, i * s_h + u - p_h, j * s_w + v - p_w, c]

    Both are reversed, because a convolution adds the places in kernel and output, and this sum subtracts them.
    """
    (n, height, width, _), (k_h, k_w, _, c_out) = x.shape, kernel.shape
    input_hw, kernel_hw = (height, width), (k_h, k_w)
    output_hw = conv_output_shape(input_hw, kernel_hw, strides, padding)
    sizes = zip(input_hw, kernel_hw, output_hw, strides, padding, strict=True)
    around = [(size - window + low, (count - 1) * step - low) for size, window, count, step, (low, _) in sizes]
    y = lax.conv_general_dilated(
        lax.rev(kernel, (0, 1)).transpose(3, 0, 1, 2),
        lax.rev(x, (1, 2)).transpose(1, 2, 0, 3),
        strides,
        around,
        dimension_numbers=("NHWC", "HWOI", "NHWC"),
    )
    # The transpose of `_channels_first`, so that the gradient applies `_channels_first` to dy.
    shape = jax.ShapeDtypeStruct((n, *output_hw, c_out), y.dtype)
    return jax.linear_transpose(_channels_first, shape)(y)[0]


def _channels_first(x: Array) -> Array:
    """Transpose images, (N, H, W, C), to (C, H, W, N).

    Blocks of images are transposed by a product with the identity, which is exact for finite numbers. XLA fuses a plain
    transposition with the operations before it and computes them in the transposed order, which misses the caches. For
    the same reason, another such product comes first: it computes x in its own order.
    """
    n, height, width, channels = x.shape
    block = math.gcd(n, 8)
    if block == 1:
        return x.transpose(3, 1, 2, 0)
    multiply = partial(jnp.einsum, precision=lax.Precision.HIGHEST)
    width_of_rows = math.gcd(x.size, 16)
    rows = multiply("rn,nm->rm", x.reshape(-1, width_of_rows), jnp.eye(width_of_rows, dtype=x.dtype))
    blocks = rows.reshape(n // block, block, height * width * channels)
    products = multiply("bnp,nm->bpm", blocks, jnp.eye(block, dtype=x.dtype))
    separate = products.reshape(n // block, height, width, channels, block)
    return separate.transpose(3, 1, 2, 0, 4).reshape(channels, height, width, n)
