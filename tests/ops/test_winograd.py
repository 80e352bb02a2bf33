import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from jaxcnn.ops import winograd

sides = st.integers(0, 2)
conv2d = jax.jit(winograd.conv2d, static_argnums=2)


@given(seeds, st.integers(0, 2), st.tuples(*2 * [st.integers(3, 8)]), st.tuples(*2 * [st.tuples(sides, sides)]))
def test_equals_the_naive_sum(seed, n, size, padding):
    rng = np.random.default_rng(seed)
    x, kernel = rng.integers(-9, 10, (n, *size, 3)), rng.integers(-9, 10, (3, 3, 3, 2))
    y = conv2d(jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32), padding)
    # The sums of small integers and their quarters are exact.
    np.testing.assert_array_equal(y, reference.conv2d(x, kernel, np.zeros(2), (1, 1), padding))


def test_rounding_is_close_to_that_of_the_plain_sum():
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 12, 12, 64)), rng.normal(size=(3, 3, 64, 64))
    y = conv2d(jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32), ((1, 1), (1, 1)))
    expected = reference.conv2d(x, kernel, np.zeros(64), (1, 1), ((1, 1), (1, 1)))
    assert np.abs(y - expected).max() < 2e-6 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "padding", "dtype", "expected"),
    [
        ((56, 56), (3, 3, 64, 128), (1, 1), ((1, 1), (1, 1)), jnp.float32, True),
        ((6, 6), (3, 3, 512, 512), (1, 1), ((1, 1), (1, 1)), jnp.float32, True),
        ((14, 14), (3, 3, 64, 64), (1, 1), ((2, 2), (0, 2)), jnp.float32, True),
        ((56, 56), (3, 3, 32, 128), (1, 1), ((1, 1), (1, 1)), jnp.float32, False),
        ((56, 56), (3, 3, 128, 32), (1, 1), ((1, 1), (1, 1)), jnp.float32, False),
        ((56, 56), (5, 5, 64, 64), (1, 1), ((2, 2), (2, 2)), jnp.float32, False),
        ((56, 56), (3, 3, 64, 64), (2, 1), ((1, 1), (1, 1)), jnp.float32, False),
        ((56, 56), (3, 3, 64, 64), (1, 1), ((3, 1), (1, 1)), jnp.float32, False),
        ((7, 7), (3, 3, 512, 512), (1, 1), ((1, 1), (1, 1)), jnp.float32, False),
        ((56, 56), (3, 3, 64, 64), (1, 1), ((1, 1), (1, 1)), jnp.bfloat16, False),
    ],
)
def test_it_is_used_where_it_is_faster(size, kernel, strides, padding, dtype, expected):
    x, kernel = (jax.ShapeDtypeStruct(shape, dtype) for shape in ((1, *size, kernel[2]), kernel))
    assert winograd.is_faster(x, kernel, strides, padding) is expected
