"""Window arithmetic and its errors, written once for convolutions and pools."""

Window = int | tuple[int, int]
"""A size or stride: one number for both axes, or (rows, columns)."""

Padding = int | tuple[int | tuple[int, int], int | tuple[int, int]]
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
        ValueError: if a number is out of its range, or the kernel is larger than the padded input.

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
    padded = [extent + low + high for extent, (low, high) in zip(size, padding_pairs(padding), strict=True)]
    if any(k > p for k, p in zip(kernel, padded, strict=True)):
        raise ValueError(
            f"kernel of {kernel[0]}x{kernel[1]} on an input of {size[0]}x{size[1]}, {padded[0]}x{padded[1]} with its "
            "padding: the kernel must fit inside; give a larger image, more padding or a smaller kernel"
        )
    rows, columns = ((p - k) // s + 1 for p, k, s in zip(padded, kernel, steps, strict=True))
    return rows, columns


def pair(value: Window, name: str, *, minimum: int) -> Pair:
    """`value` along (rows, columns); a ValueError about `name` where one is below `minimum`."""
    match value:
        case int():
            rows = columns = value
        case (int(rows), int(columns)):
            pass
        case _:
            raise ValueError(f"{name} {value}: a whole number, or one for rows and one for columns, is needed")
    if min(rows, columns) < minimum:
        raise ValueError(f"{name} {value}: at least {minimum} is needed along each axis")
    return rows, columns


def padding_pairs(padding: Padding) -> PaddingPairs:
    """`padding` as ((top, bottom), (left, right)); a ValueError where one is negative."""
    match padding:
        case int():
            vertical = horizontal = padding
        case (vertical, horizontal):
            pass
        case _:
            raise ValueError(f"padding {padding}: a number, one for each axis or a (low, high) pair for each is needed")
    return pair(vertical, "padding", minimum=0), pair(horizontal, "padding", minimum=0)
