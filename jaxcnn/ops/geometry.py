"""Window arithmetic and its errors, shared by convolutions and pools."""

from operator import index
from typing import Literal, SupportsIndex

from jax import lax

Window = SupportsIndex | tuple[SupportsIndex, SupportsIndex]
"""A size or stride: one integer for both axes, or (rows, columns)."""

Padding = SupportsIndex | tuple[Window, Window] | Literal["SAME", "VALID"]
"""One integer for all sides, one for each axis, a (low, high) pair for each axis, or 'SAME' or 'VALID'.

'VALID' is no padding. 'SAME' adds what ceil(size / stride) outputs need, and an odd pixel at the end. With stride 2,
'SAME' differs from PyTorch's padding: an 8x8 image under a 3x3 kernel gets ((0, 1), (0, 1)) and not 1 on every side.
"""

Pair = tuple[int, int]
PaddingPairs = tuple[Pair, Pair]


def conv_output_shape(
    input_hw: Window, kernel_size: Window, strides: Window = 1, padding: Padding = 0
) -> tuple[int, int]:
    """Compute the output size of a convolution or pool.

        out = floor((in + low + high - kernel) / stride) + 1        along each axis

    Args:
        input_hw: height and width of the input, in pixels.
        kernel_size: height and width of the kernel or pooling window.
        strides: step of the window along each axis, at least 1.
        padding: pixels added at the borders, none negative, or 'SAME' or 'VALID'.

    Returns:
        Height and width of the output, each at least 1.

    Raises:
        ValueError: if a number is out of range, or the kernel is larger than the padded input. The message shows the
            computation.

    Examples:
        >>> conv_output_shape(8, 3, strides=2, padding=1)
        (4, 4)
        >>> conv_output_shape((8, 8), (3, 5), strides=(3, 4), padding=(0, 1))
        (2, 2)
        >>> conv_output_shape(7, 3, 2, "SAME")
        (4, 4)

    References:
        Section 4.2.
    """
    size = pair(input_hw, "input size", minimum=1)
    kernel = pair(kernel_size, "kernel size", minimum=1)
    steps = pair(strides, "strides", minimum=1)
    pads = padding_pairs(padding, size, kernel, steps)
    rows, columns = ((n + sum(p) - k) // s + 1 for n, p, k, s in zip(size, pads, kernel, steps, strict=True))
    if min(rows, columns) < 1:
        sums = (
            f"({n} + {low} + {high} - {k}) // {s} + 1 = {out} {axis}"
            for n, (low, high), k, s, out, axis in zip(
                size, pads, kernel, steps, (rows, columns), ("rows", "columns"), strict=True
            )
        )
        raise ValueError(
            f"a window of {kernel[0]}x{kernel[1]} does not fit in an input of {size[0]}x{size[1]}: "
            f"the output would have {' and '.join(sums)}; use a larger input, more padding or a smaller window"
        )
    return rows, columns


def pair(value: object, name: str, *, minimum: int) -> Pair:
    """Return `value` as (rows, columns); raise a ValueError about `name` if one is below `minimum`."""
    match value:
        case SupportsIndex():
            rows = columns = index(value)
        case (SupportsIndex(), SupportsIndex()):
            rows, columns = map(index, value)
        case _:
            raise ValueError(f"{name} {value!r}: expected an integer or a (rows, columns) pair of integers")
    if min(rows, columns) < minimum:
        raise ValueError(f"{name} {value}: expected at least {minimum} along each axis")
    return rows, columns


def padding_pairs(padding: object, size: Pair, window: Pair, strides: Pair) -> PaddingPairs:
    """Return `padding` as ((top, bottom), (left, right)); raise a ValueError if one is negative.

    Args:
        padding: as `Padding` describes it.
        size: height and width of the input, on which 'SAME' depends, as on `window` and `strides`.
        window: height and width of the window.
        strides: step of the window along each axis.
    """
    match padding:
        case "SAME" | "VALID":
            rows, columns = lax.padtype_to_pads(size, window, strides, str(padding))
            return rows, columns
        case SupportsIndex():
            sides = [(padding, padding), (padding, padding)]
        case (vertical, horizontal):
            sides = [(each, each) if isinstance(each, SupportsIndex) else each for each in (vertical, horizontal)]
        case _:
            sides = []
    match sides:
        case [(SupportsIndex(), SupportsIndex()), (SupportsIndex(), SupportsIndex())]:
            (top, bottom), (left, right) = (map(index, side) for side in sides)
        case _:
            raise ValueError(
                f"padding {padding!r}: expected an integer, one for each axis, a (low, high) pair for each axis, "
                "'SAME' or 'VALID'"
            )
    if min(top, bottom, left, right) < 0:
        raise ValueError(f"padding {padding}: expected at least 0 on each side")
    return (top, bottom), (left, right)
