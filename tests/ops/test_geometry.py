import math

import pytest
from hypothesis import given
from strategies import thoroughly, windows

from jaxcnn.ops import conv_output_shape, geometry


@thoroughly
@given(windows(largest=5))
def test_output_shape_counts_the_window_positions(case):
    input_hw, window, strides, padding = case
    positions = (
        len([start for start in range(0, n + low + high, step) if start + size <= n + low + high])
        for n, size, step, (low, high) in zip(input_hw, window, strides, padding, strict=True)
    )
    assert conv_output_shape(input_hw, window, strides=strides, padding=padding) == tuple(positions)


@pytest.mark.parametrize(
    ("kernel_size", "padding", "strides", "expected"),
    [
        (3, 1, 1, (8, 8)),
        ((5, 3), (2, 1), 1, (8, 8)),
        (3, 1, 2, (4, 4)),
        ((3, 5), (0, 1), (3, 4), (2, 2)),
    ],
)
def test_reference_shapes_of_padding_and_stride(kernel_size, padding, strides, expected):
    assert conv_output_shape(8, kernel_size, strides=strides, padding=padding) == expected
    assert conv_output_shape(8, kernel_size, strides, padding) == expected


def test_padding_may_differ_on_every_side():
    assert conv_output_shape((4, 4), 3, padding=((0, 1), (2, 0))) == (3, 4)


@thoroughly
@given(windows(largest=5, padding=False))
def test_same_padding_gives_the_input_size_over_the_stride(case):
    input_hw, window, strides, _ = case
    expected = tuple(math.ceil(n / step) for n, step in zip(input_hw, strides, strict=True))
    assert conv_output_shape(input_hw, window, strides, "SAME") == expected
    assert conv_output_shape(input_hw, window, strides, "VALID") == conv_output_shape(input_hw, window, strides)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": (5, 4)}, "window of 5x4 does not fit in an input of 4x4"),
        ({"kernel_size": (7, 2), "padding": 1}, r"\(4 \+ 1 \+ 1 - 7\) // 1 \+ 1 = 0 rows and .* = 5 columns"),
        ({"kernel_size": 0}, "kernel size 0"),
        ({"kernel_size": 2, "strides": 0}, "strides 0"),
        ({"kernel_size": 2, "strides": (1, -1)}, r"strides \(1, -1\)"),
        ({"kernel_size": 2, "padding": -1}, "padding -1: expected at least 0"),
        ({"kernel_size": 2, "padding": ((0, -1), 0)}, r"padding \(\(0, -1\), 0\)"),
    ],
)
def test_invalid_windows_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        conv_output_shape((4, 4), **arguments)


@pytest.mark.parametrize("value", [2.5, (2, 2, 2), "3"])
def test_invalid_sizes_raise(value):
    with pytest.raises(ValueError, match=r"expected an integer or a \(rows, columns\) pair of integers"):
        geometry.pair(value, "strides", minimum=1)


@pytest.mark.parametrize("value", [2.5, (1, 1, 1), "same"])
def test_invalid_padding_raises(value):
    with pytest.raises(ValueError, match=r"one for each axis, .* 'SAME' or 'VALID'"):
        geometry.padding_pairs(value, (4, 4), (3, 3), (1, 1))
