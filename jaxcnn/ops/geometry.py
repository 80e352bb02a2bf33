"""Window arithmetic and its errors, written once for convolutions and pools."""

from operator import index
from typing import SupportsIndex

Window = SupportsIndex | tuple[SupportsIndex, SupportsIndex]
"""A size or stride: one number for both axes, or (rows, columns)."""

Padding = SupportsIndex | tuple[Window, Window]
"""One number for all sides, one for each axis, or a (low, high) pair for each axis."""

Pair = tuple[int, int]
PaddingPairs = tuple[Pair, Pair]


def conv_output_shape(
    input_hw: Window, kernel_size: Window, *, strides: Window = 1, padding: Padding = 0
) -> tuple[int, int]:
    """Height and width of what a window leaves behind as it slides over an image.

        out = floor((in + low + high - kernel) / stride) + 1        along each axis

    Args:
        input_hw: height and width of the input, in pixels.
        kernel_size: height and width of the kernel or pooling window.
        strides: step of the window along each axis, at least 1.
        padding: pixels added at the borders, none negative.

    Returns:
        Height and width of the output, each at least 1.

    Raises:
        ValueError: if a number is out of its range, or the kernel is larger than the padded input; then the message
            shows the sum that leaves nothing.

    Examples:
        >>> conv_output_shape(8, 3, strides=2, padding=1)
        (4, 4)
        >>> conv_output_shape((8, 8), (3, 5), strides=(3, 4), padding=(0, 1))
        (2, 2)

    References:
        Section 4.2.
    """
    size = pair(input_hw, "input size", minimum=1)
    kernel = pair(kernel_size, "kernel size", minimum=1)
    steps = pair(strides, "strides", minimum=1)
    pads = padding_pairs(padding)
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
            f"{' and '.join(sums)} would be left; give a larger input, more padding or a smaller window"
        )
    return rows, columns


def pair(value: object, name: str, *, minimum: int) -> Pair:
    """`value` along (rows, columns); a ValueError about `name` where one is below `minimum`."""
    match value:
        case SupportsIndex():
            rows = columns = index(value)
        case (SupportsIndex(), SupportsIndex()):
            rows, columns = map(index, value)
        case _:
            raise ValueError(f"{name} {value!r}: a whole number, or one for rows and one for columns, is needed")
    if min(rows, columns) < minimum:
        raise ValueError(f"{name} {value}: at least {minimum} is needed along each axis")
    return rows, columns


def padding_pairs(padding: object) -> PaddingPairs:
    """`padding` as ((top, bottom), (left, right)); a ValueError where one is negative."""
    match padding:
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
                f"padding {padding!r}: a number, one for each axis, or a (low, high) pair for each axis is needed"
            )
    if min(top, bottom, left, right) < 0:
        raise ValueError(f"padding {padding}: at least 0 is needed on each side")
    return (top, bottom), (left, right)
