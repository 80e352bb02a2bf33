import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxcnn import ops


@st.composite
def convolutions(draw):
    """Inputs of conv2d: whatever the sizes, the kernel fits."""
    kernel_hw = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.tuples(st.integers(0, 3), st.integers(0, 3))) for _ in range(2))
    height, width = (draw(st.integers(max(1, k - sum(sides)), 8)) for k, sides in zip(kernel_hw, padding, strict=True))
    n, c_in, c_out = (draw(st.integers(1, 3)) for _ in range(3))
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(n, height, width, c_in)).astype(np.float32)
    kernel = rng.normal(size=(*kernel_hw, c_in, c_out)).astype(np.float32)
    return x, kernel, strides, padding


@given(convolutions())
def test_equals_the_naive_sum(case):
    x, kernel, strides, padding = case
    y = ops.conv2d(jnp.asarray(x), jnp.asarray(kernel), strides=strides, padding=padding)
    np.testing.assert_allclose(y, reference.conv2d(x, kernel, strides, padding), rtol=1e-4, atol=1e-4)


@settings(max_examples=12)  # each compiles four programs
@given(convolutions())
def test_gradients_equal_those_of_lax(case):
    x, kernel, strides, padding = case

    def ours(x, kernel):
        return jnp.sin(ops.conv2d(x, kernel, strides=strides, padding=padding)).sum()

    def of_lax(x, kernel):
        y = lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return jnp.sin(y).sum()

    for mine, theirs in zip(jax.grad(ours, (0, 1))(x, kernel), jax.grad(of_lax, (0, 1))(x, kernel), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


def test_second_derivatives_equal_those_of_lax():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 5, 2)), jnp.float32)
    kernel = jnp.asarray(np.random.default_rng(1).normal(size=(3, 2, 2, 3)), jnp.float32)

    def curvature(conv):
        slope = jax.grad(lambda x, kernel: jnp.sin(conv(x, kernel)).sum(), argnums=1)
        return jax.grad(lambda x: jnp.sum(slope(x, kernel) ** 2))(x)

    ours = curvature(lambda x, kernel: ops.conv2d(x, kernel, strides=2, padding=1))
    of_lax = curvature(
        lambda x, kernel: lax.conv_general_dilated(
            x, kernel, (2, 2), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    )
    np.testing.assert_allclose(ours, of_lax, rtol=1e-3, atol=1e-3)


def test_documented_example():
    x, kernel = jnp.arange(9.0).reshape(1, 3, 3, 1), jnp.arange(4.0).reshape(2, 2, 1, 1)
    np.testing.assert_array_equal(ops.conv2d(x, kernel)[0, :, :, 0], [[19, 25], [37, 43]])


def test_bias_is_added_to_its_channel():
    y = ops.conv2d(jnp.zeros((1, 3, 3, 1)), jnp.zeros((2, 2, 1, 2)), jnp.array([1.0, -2.0]))
    np.testing.assert_array_equal(y[0, 0, 0], [1, -2])


def test_jit_and_vmap_change_nothing():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 6, 6, 2)), jnp.float32)
    kernels = jnp.asarray(np.random.default_rng(1).normal(size=(2, 3, 3, 2, 4)), jnp.float32)
    together = jax.jit(jax.vmap(ops.conv2d))(x, kernels)
    one_by_one = jnp.stack([ops.conv2d(a, k) for a, k in zip(x, kernels, strict=True)])
    np.testing.assert_allclose(together, one_by_one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("x_dtype", "kernel_dtype", "expected"),
    [
        (jnp.float32, jnp.float32, jnp.float32),
        (jnp.bfloat16, jnp.bfloat16, jnp.bfloat16),
        (jnp.float16, jnp.float32, jnp.float32),
        (jnp.uint8, jnp.float32, jnp.float32),
        (jnp.int32, jnp.int32, jnp.float32),
    ],
)
def test_floats_keep_their_precision_and_integers_become_floats(x_dtype, kernel_dtype, expected):
    y = ops.conv2d(jnp.ones((1, 3, 3, 1), x_dtype), jnp.ones((2, 2, 1, 1), kernel_dtype))
    assert y.dtype == expected
    np.testing.assert_array_equal(y, np.full((1, 2, 2, 1), 4.0))


@pytest.mark.parametrize(
    ("x_shape", "kernel_shape", "message"),
    [
        ((1, 4, 4, 3), (2, 2, 1, 1), "3 channels where the kernel takes 1"),
        ((4, 4, 1), (2, 2, 1, 1), r"shape \(4, 4, 1\)"),
        ((1, 4, 4, 1), (2, 2), r"kernel of shape \(2, 2\)"),
        ((1, 2, 2, 1), (3, 3, 1, 1), "kernel of 3x3 on an input of 2x2"),
    ],
)
def test_shapes_that_do_not_fit_are_named_while_tracing(x_shape, kernel_shape, message):
    # unwrapped: in tests the types in the signature are checked too, and would speak first
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(inspect.unwrap(ops.conv2d), jnp.zeros(x_shape), jnp.zeros(kernel_shape))
