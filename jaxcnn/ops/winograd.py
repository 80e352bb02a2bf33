"""Winograd's convolution F(2x2, 3x3): 16 products for 2x2 outputs of a 3x3 kernel, where the plain sum has 36."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import ShapeDtypeStruct, lax
from jaxtyping import Array

from jaxcnn.ops.geometry import PaddingPairs, Pair, conv_output_shape

Operand = Array | ShapeDtypeStruct
Grid = list[list[Array]]


def is_faster(x: Operand, kernel: Operand, strides: Pair, padding: PaddingPairs) -> bool:
    """Whether this form can compute the convolution, and is faster than XLA's on CPUs.

    It needs a 3x3 kernel, stride 1 and float32 or float64: half precision would round its sums too early. With few
    channels, the sums take longer than the products that they save. A map of odd size is computed with one row or
    column more; for small maps, this costs more than the form saves.
    """
    (_, height, width, _), (k_h, k_w, c_in, c_out) = x.shape, kernel.shape
    if (k_h, k_w) != (3, 3) or strides != (1, 1) or min(c_in, c_out) < 64 or x.dtype.itemsize < 4:
        return False
    if not all(0 <= side <= 2 for sides in padding for side in sides):
        return False
    rows, columns = conv_output_shape((height, width), (3, 3), strides, padding)
    return 4 * -(-rows // 2) * -(-columns // 2) <= 1.2 * rows * columns


def conv2d(x: Array, kernel: Array, padding: PaddingPairs) -> Array:
    """Compute the convolution of images, (N, H, W, C_in), with a kernel, (3, 3, C_in, C_out), and stride 1.

    Each 4x4 tile of the padded image gives 2x2 outputs:

        outputs = A^T [(G kernel G^T) * (B^T tile B)] A

    where * multiplies the numbers at the same place of two 4x4 tiles. Each of the 16 places is a matrix product over
    the channels. The 16 products are separate, so that the operands of each stay in the processor's caches.

    Args:
        x: images, (N, H, W, C_in).
        kernel: weights, (3, 3, C_in, C_out).
        padding: zeros added at the borders, from 0 to 2 on each side.

    Returns:
        (N, H_out, W_out, C_out).

    References:
        A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2015.
    """
    (n, height, width, c_in), c_out = x.shape, kernel.shape[3]
    rows, columns = conv_output_shape((height, width), (3, 3), (1, 1), padding)
    down, across = -(-rows // 2), -(-columns // 2)
    (top, _), (left, _) = padding
    more = ((0, 0, 0), (top, 2 * down + 2 - top - height, 0), (left, 2 * across + 2 - left - width, 0), (0, 0, 0))
    padded = lax.pad(x, jnp.zeros((), x.dtype), more).reshape(n, down + 1, 2, across + 1, 2, c_in)

    def places(i: int, j: int) -> Array:
        """Return the numbers at row i and column j of every tile, (N * down * across, C_in)."""
        start = (0, i // 2, i % 2, j // 2, j % 2, 0)
        end = (n, i // 2 + down, i % 2 + 1, j // 2 + across, j % 2 + 1, c_in)
        return lax.slice(padded, start, end).reshape(n * down * across, c_in)

    tiles = _along_both(_of_tile, [[places(i, j) for j in range(4)] for i in range(4)])
    kernels = _along_both(_of_kernel, [[kernel[u, v] for v in range(3)] for u in range(3)])
    products = [[tiles[i][j] @ kernels[i][j] for j in range(4)] for i in range(4)]
    outputs = _along_both(_of_products, products)
    separate = jnp.stack([jnp.stack(row) for row in outputs]).reshape(2, 2, n, down, across, c_out)
    y = separate.transpose(2, 3, 0, 4, 1, 5).reshape(n, 2 * down, 2 * across, c_out)
    return y[:, :rows, :columns]


def _along_both(transform: Callable[[list[Array]], list[Array]], grid: Grid) -> Grid:
    """Apply `transform` to each column of `grid`, and then to each row."""
    columns = [transform(list(column)) for column in zip(*grid, strict=True)]
    return [transform(list(row)) for row in zip(*columns, strict=True)]


def _of_tile(d: list[Array]) -> list[Array]:
    """Multiply by B^T."""
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def _of_kernel(g: list[Array]) -> list[Array]:
    """Multiply by G."""
    return [g[0], (g[0] + g[1] + g[2]) / 2, (g[0] - g[1] + g[2]) / 2, g[2]]


def _of_products(m: list[Array]) -> list[Array]:
    """Multiply by A^T."""
    return [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
