import inspect

import pytest

from jaxcnn.ops import conv_output_shape


@pytest.mark.parametrize(
    ("kernel_size", "padding", "strides", "expected"),
    [
        (3, 1, 1, (8, 8)),
        ((5, 3), (2, 1), 1, (8, 8)),
        (3, 1, 2, (4, 4)),
        ((3, 5), (0, 1), (3, 4), (2, 2)),
    ],
)
def test_documented_shapes_of_padding_and_stride(kernel_size, padding, strides, expected):
    assert conv_output_shape(8, kernel_size, strides=strides, padding=padding) == expected


def test_padding_may_differ_on_every_side():
    assert conv_output_shape((4, 4), 3, padding=((0, 1), (2, 0))) == (3, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(kernel_size=5), "kernel of 5x5 on an input of 4x4"),
        (dict(kernel_size=7, padding=1), "6x6 with its padding"),
        (dict(kernel_size=0), "kernel size 0"),
        (dict(kernel_size=2, strides=0), "strides 0"),
        (dict(kernel_size=2, strides=(1, -1)), r"strides \(1, -1\)"),
        (dict(kernel_size=2, padding=-1), "padding -1"),
        (dict(kernel_size=2, padding=((0, -1), 0)), r"padding \(0, -1\)"),
        (dict(kernel_size=(2, 2, 2)), "one for rows and one for columns"),
        (dict(kernel_size=2.5), "a whole number"),
    ],
)
def test_what_cannot_be_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(conv_output_shape)((4, 4), **arguments)  # unwrapped: the check of types would speak first
