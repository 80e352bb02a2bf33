import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from jaxcnn import ops


@st.composite
def poolings(draw):
    window = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.tuples(st.integers(0, w // 2), st.integers(0, w // 2))) for w in window)
    height, width = (draw(st.integers(max(1, w - sum(sides)), 8)) for w, sides in zip(window, padding, strict=True))
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(draw(st.integers(1, 2)), height, width, draw(st.integers(1, 3)))).astype(np.float32)
    return x, window, strides, padding


@given(poolings())
def test_equals_the_naive_maximum(case):
    x, window, strides, padding = case
    y = ops.max_pool2d(jnp.asarray(x), window, strides=strides, padding=padding)
    np.testing.assert_array_equal(y, reference.max_pool2d(x, window, strides, padding).astype(np.float32))


@given(st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_the_first_of_equal_maxima_takes_the_gradient(window, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, (2, 2 * window, 3 * window, 2)).astype(np.float32)  # few values, many ties
    dy = rng.normal(size=(2, 2, 3, 2)).astype(np.float32)
    _, pull_back = jax.vjp(lambda x: ops.max_pool2d(x, window), jnp.asarray(x))
    np.testing.assert_array_equal(pull_back(jnp.asarray(dy))[0], reference.max_pool2d_gradient(x, dy, window))


@pytest.mark.parametrize(
    ("window", "strides", "padding", "expected"),
    [
        (3, None, 0, [[10]]),
        (3, 2, 1, [[5, 7], [13, 15]]),
        ((2, 4), (2, 3), (1, 2), [[1, 3], [9, 11], [13, 15]]),
    ],
)
def test_documented_examples(window, strides, padding, expected):
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    y = ops.max_pool2d(x, window, strides=strides, padding=padding)
    np.testing.assert_array_equal(y[0, :, :, 0], expected)


def test_channels_are_pooled_apart():
    x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    y = ops.max_pool2d(jnp.concatenate([x, x + 1], axis=-1), 3, strides=2, padding=1)
    np.testing.assert_array_equal(y[0, :, :, 1], [[6, 8], [14, 16]])


def test_padding_counts_as_minus_infinity():
    y = ops.max_pool2d(jnp.full((1, 2, 2, 1), -5.0), 2, padding=1)
    np.testing.assert_array_equal(y, np.full((1, 2, 2, 1), -5.0))


@pytest.mark.parametrize(
    ("shape", "window", "arguments", "message"),
    [
        ((1, 2, 2, 1), 3, {}, "kernel of 3x3 on an input of 2x2"),
        ((1, 4, 4, 1), 2, {"padding": 2}, "at most half the window"),
        ((1, 4, 4, 1), 2, {"strides": 0}, "strides 0"),
        ((1, 4, 4, 1), 0, {}, "window shape 0"),
    ],
)
def test_what_cannot_be_is_said(shape, window, arguments, message):
    with pytest.raises(ValueError, match=message):
        ops.max_pool2d(jnp.zeros(shape), window, **arguments)
