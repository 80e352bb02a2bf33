import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrays, assert_agrees, dtypes, seeds, thoroughly, windows, x64_if

from jaxcnn import ops

pytestmark = pytest.mark.usefixtures("with_nans")

X = np.arange(9.0).reshape(3, 3)
K = np.arange(4.0).reshape(2, 2)


@st.composite
def correlations(draw, channels=(), outputs=(), one_pixel=False):
    """Image and kernel; `channels` and `outputs` are (min, max), or () for no such axis."""
    (input_hw, kernel_hw, _, _) = draw(windows(largest=5, padding=False))
    dtype = draw(dtypes)
    c_in, c_out = (tuple(draw(st.integers(*bounds)) for bounds in [each] if bounds) for each in (channels, outputs))
    if one_pixel:
        kernel_hw = (1, 1)
    return draw(arrays((*c_in, *input_hw), dtype)), draw(arrays((*c_out, *c_in, *kernel_hw), dtype))


def check_against(oracle, operation, x, k):
    with x64_if(x.dtype), np.errstate(invalid="ignore"):
        y = jax.jit(operation)(x, k)
        x, k = np.asarray(x, np.float64), np.asarray(k, np.float64)
        assert_agrees(y, oracle(x, k), oracle(np.abs(x), np.abs(k)))


@thoroughly
@given(correlations())
def test_corr2d_equals_the_naive_sum(case):
    check_against(reference.corr2d, ops.corr2d, *case)


@thoroughly
@given(correlations(channels=(1, 3)))
def test_corr2d_multi_in_equals_the_naive_sum(case):
    check_against(reference.corr2d_multi_in, ops.corr2d_multi_in, *case)


@thoroughly
@given(correlations(channels=(1, 3), outputs=(1, 3)))
def test_corr2d_multi_in_out_equals_the_naive_sum(case):
    check_against(reference.corr2d_multi_in_out, ops.corr2d_multi_in_out, *case)


@thoroughly
@given(correlations(channels=(1, 3), outputs=(1, 3), one_pixel=True))
def test_corr2d_multi_in_out_1x1_equals_the_naive_sum(case):
    check_against(reference.corr2d_multi_in_out_1x1, ops.corr2d_multi_in_out_1x1, *case)


@st.composite
def images_and_kernels(draw):
    """Small integers, whose sums are exact in float32."""
    rng = np.random.default_rng(draw(seeds))
    (height, width), (k_h, k_w), _, _ = draw(windows(padding=False))
    return [jnp.asarray(rng.integers(-9, 10, shape), jnp.float32) for shape in ((height, width), (k_h, k_w))]


@given(images_and_kernels(), st.integers(-5, 5))
def test_corr2d_is_linear_in_the_image_and_in_the_kernel(case, factor):
    x, k = case
    y = ops.corr2d(x, k)
    np.testing.assert_array_equal(ops.corr2d(factor * x + x**2, k), factor * y + ops.corr2d(x**2, k))
    np.testing.assert_array_equal(ops.corr2d(x, factor * k + k**2), factor * y + ops.corr2d(x, k**2))


@given(images_and_kernels(), st.integers(0, 3), st.integers(0, 3))
def test_corr2d_of_a_shifted_image_is_the_shifted_result(case, down, right):
    x, k = case
    shifted = jnp.pad(x, ((down, 0), (right, 0)))
    np.testing.assert_array_equal(ops.corr2d(shifted, k)[down:, right:], ops.corr2d(x, k))


@given(images_and_kernels(), st.data())
def test_corr2d_with_a_delta_crops_the_image(case, data):
    x, k = case
    u, v = (data.draw(st.integers(0, size - 1)) for size in k.shape)
    rows, columns = ops.conv_output_shape(x.shape, k.shape)
    delta = jnp.zeros_like(k).at[u, v].set(1)
    np.testing.assert_array_equal(ops.corr2d(x, delta), x[u : u + rows, v : v + columns])


@given(images_and_kernels())
def test_corr2d_of_a_delta_is_the_flipped_kernel(case):
    _, k = case
    (k_h, k_w) = k.shape
    delta = jnp.zeros((2 * k_h - 1, 2 * k_w - 1)).at[k_h - 1, k_w - 1].set(1)
    np.testing.assert_array_equal(ops.corr2d(delta, k), k[::-1, ::-1])


@given(correlations(channels=(1, 3), outputs=(1, 3)))
def test_several_channels_equal_the_sum_over_channels(case):
    x, k = (np.where(np.isfinite(array), array, 1).astype(np.float32) for array in case)
    single = jax.vmap(ops.corr2d)
    outputs = jnp.stack([single(x, weights).sum(0) for weights in k])
    np.testing.assert_allclose(ops.corr2d_multi_in_out(x, k), outputs, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(ops.corr2d_multi_in(x, k[0]), outputs[0], rtol=1e-5, atol=1e-4)


@given(correlations(channels=(1, 3), outputs=(1, 3)))
def test_corr2d_multi_in_out_equals_conv2d(case):
    x, k = (np.where(np.isfinite(array), array, 1).astype(np.float32) for array in case)
    y = ops.conv2d(x.transpose(1, 2, 0)[None], k.transpose(2, 3, 1, 0))[0]
    np.testing.assert_allclose(ops.corr2d_multi_in_out(x, k), y.transpose(2, 0, 1), rtol=1e-6, atol=1e-5)


@given(seeds)
def test_1x1_kernels_equal_the_general_function_and_a_product(seed):
    rng = np.random.default_rng(seed)
    x, k = (rng.normal(size=shape).astype(np.float32) for shape in ((3, 3, 3), (2, 3, 1, 1)))
    y = ops.corr2d_multi_in_out_1x1(x, k)
    np.testing.assert_allclose(y, ops.corr2d_multi_in_out(x, k), rtol=0, atol=1e-6)
    np.testing.assert_allclose(y, (k.reshape(2, 3) @ x.reshape(3, 9)).reshape(2, 3, 3), rtol=0, atol=1e-6)


def test_the_books_cross_correlation():
    np.testing.assert_array_equal(ops.corr2d(X, K), [[19, 25], [37, 43]])


def test_the_books_edge_detection():
    x = np.ones((6, 8))
    x[:, 2:6] = 0
    np.testing.assert_array_equal(ops.corr2d(x, np.array([[1.0, -1.0]])), [[0, 1, 0, 0, 0, -1, 0]] * 6)


def test_the_books_input_channels():
    y = ops.corr2d_multi_in(np.stack([X, X + 1]), np.stack([K, K + 1]))
    np.testing.assert_array_equal(y, [[56, 72], [104, 120]])


def test_the_books_output_channels():
    k = np.stack([K, K + 1])
    y = ops.corr2d_multi_in_out(np.stack([X, X + 1]), np.stack([k, k + 1, k + 2]))
    np.testing.assert_array_equal(y, [[[56, 72], [104, 120]], [[76, 100], [148, 172]], [[96, 128], [192, 224]]])
