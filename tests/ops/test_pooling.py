from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from flax import linen as nn
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrays, assert_agrees, dtypes, seeds, thoroughly, windows, x64_if

from jaxcnn import ops
from jaxcnn.ops.platforms import fixed_form

pytestmark = pytest.mark.usefixtures("with_nans")

X = jnp.arange(9.0).reshape(3, 3)
IMAGES = jnp.arange(16.0).reshape(1, 4, 4, 1)

pool2d = jax.jit(ops.pool2d, static_argnames=("window_shape", "mode"))
max_pool2d, avg_pool2d = (
    jax.jit(f, static_argnames=("window_shape", "strides", "padding")) for f in (ops.max_pool2d, ops.avg_pool2d)
)


@st.composite
def poolings(draw):
    input_hw, window, strides, padding = draw(windows(largest=4))
    shape = (draw(st.integers(1, 2)), *input_hw, draw(st.integers(1, 2)))
    return draw(arrays(shape, draw(dtypes))), window, strides, padding


def check_against(oracle, operation, x, *geometry):
    with x64_if(x.dtype), np.errstate(invalid="ignore"):
        y = operation(x, *geometry)
        x = np.asarray(x, np.float64)
        assert_agrees(y, oracle(x, *geometry), oracle(np.abs(x), *geometry))


@thoroughly
@given(poolings())
def test_max_pool2d_equals_the_naive_maximum(case):
    x, window, strides, padding = case
    with x64_if(x.dtype):
        y = max_pool2d(x, window, strides=strides, padding=padding)
        expected = reference.max_pool2d(np.asarray(x, np.float64), window, strides, padding)
        np.testing.assert_array_equal(np.asarray(y, np.float64), expected)


@thoroughly
@given(poolings())
def test_avg_pool2d_equals_the_naive_mean(case):
    check_against(
        reference.avg_pool2d,
        lambda x, window, strides, padding: avg_pool2d(x, window, strides=strides, padding=padding),
        *case,
    )


@st.composite
def stride_1_poolings(draw):
    input_hw, window, _, _ = draw(windows(largest=4, padding=False))
    return draw(arrays(input_hw, draw(dtypes))), window, draw(st.sampled_from(["max", "avg"]))


@thoroughly
@given(stride_1_poolings())
def test_pool2d_equals_the_naive_maximum_or_mean(case):
    check_against(reference.pool2d, lambda x, window, mode: pool2d(x, window, mode=mode), *case)


@st.composite
def images(draw):
    return draw(arrays(draw(st.tuples(*(st.integers(1, largest) for largest in (2, 3, 4, 2)))), draw(dtypes)))


@thoroughly
@given(images())
def test_global_avg_pool2d_equals_the_naive_mean(x):
    check_against(reference.global_avg_pool2d, jax.jit(ops.global_avg_pool2d), x)


@given(st.integers(1, 3), seeds)
def test_the_first_of_equal_maxima_gets_the_gradient(window, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 3, (2, 2 * window, 3 * window, 2)).astype(np.float32)  # few values, many ties
    dy = rng.normal(size=(2, 2, 3, 2)).astype(np.float32)
    _, pull_back = jax.vjp(lambda x: ops.max_pool2d(x, window), jnp.asarray(x))
    np.testing.assert_array_equal(pull_back(jnp.asarray(dy))[0], reference.max_pool2d_gradient(x, dy, window))


@given(poolings())
def test_max_pool2d_is_the_same_on_all_platforms(case):
    x, window, strides, padding = case
    x = np.where(np.isfinite(x), x, 1).astype(np.float32)

    def value_and_gradient():
        y, pull_back = jax.vjp(lambda x: ops.max_pool2d(x, window, strides, padding), x)
        return y, pull_back(jnp.arange(y.size, dtype=y.dtype).reshape(y.shape))

    on_cpu = value_and_gradient()
    with fixed_form("default"):
        elsewhere = value_and_gradient()
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), elsewhere, on_cpu)


@given(seeds)
def test_a_mean_over_the_whole_image_is_the_global_mean(seed):
    x = np.random.default_rng(seed).normal(size=(2, 3, 4, 2)).astype(np.float32)
    np.testing.assert_allclose(ops.avg_pool2d(x, (3, 4))[:, 0, 0], ops.global_avg_pool2d(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("mode", "expected"), [("max", [[4, 5], [7, 8]]), ("avg", [[2, 3], [5, 6]])])
def test_the_books_windows_with_stride_1(mode, expected):
    np.testing.assert_array_equal(ops.pool2d(X, (2, 2), mode=mode), expected)
    np.testing.assert_array_equal(ops.pool2d(X, 2, mode), expected)


@pytest.mark.parametrize(
    ("window", "strides", "padding", "expected"),
    [
        (3, None, 0, [[10]]),
        (3, 2, 1, [[5, 7], [13, 15]]),
        ((2, 4), (2, 3), (1, 2), [[1, 3], [9, 11], [13, 15]]),
    ],
)
def test_the_books_padding_and_strides(window, strides, padding, expected):
    for y in (
        ops.max_pool2d(IMAGES, window, strides=strides, padding=padding),
        ops.max_pool2d(IMAGES, window, strides, padding),
    ):
        np.testing.assert_array_equal(y[0, :, :, 0], expected)


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("window", "strides"), [((2, 2), (1, 1)), ((3, 3), (2, 2)), ((3, 2), (1, 3))])
def test_padding_words_equal_those_of_flax(padding, window, strides):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 7, 2)), jnp.float32)
    np.testing.assert_array_equal(ops.max_pool2d(x, window, strides, padding), nn.max_pool(x, window, strides, padding))
    means = nn.avg_pool(x, window, strides, padding)
    np.testing.assert_allclose(ops.avg_pool2d(x, window, strides, padding), means, rtol=1e-5, atol=1e-6)


def test_the_books_channels_are_pooled_separately():
    y = ops.max_pool2d(jnp.concatenate([IMAGES, IMAGES + 1], axis=-1), 3, strides=2, padding=1)
    np.testing.assert_array_equal(y[0].transpose(2, 0, 1), [[[5, 7], [13, 15]], [[6, 8], [14, 16]]])


def test_padding_is_minus_infinity_for_max_and_zero_for_mean():
    x = jnp.full((1, 2, 2, 1), -4.0)
    np.testing.assert_array_equal(ops.max_pool2d(x, 2, padding=1), np.full((1, 2, 2, 1), -4.0))
    np.testing.assert_array_equal(ops.avg_pool2d(x, 2, padding=1), np.full((1, 2, 2, 1), -1.0))


def test_half_precision_is_averaged_in_float32():
    x = jnp.full((1, 64, 64, 1), 1000, jnp.float16)  # its sum exceeds float16
    assert ops.avg_pool2d(x, 64).item() == ops.global_avg_pool2d(x).item() == 1000
