"""Hypothesis strategies for property tests: windows that fit, and arrays of every type with special values."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

thoroughly = settings(max_examples=200)
"""Settings for tests that compare a function with its oracle."""

seeds = st.integers(0, 2**32 - 1)

dtypes = st.sampled_from([np.float32, jnp.bfloat16, np.float16, np.float64, np.int32, np.uint8])

_SPECIALS = [(), (), (), (0.0,), (np.nan,), (np.inf,), (-np.inf,), (np.inf, -np.inf), (np.nan, np.inf)]


@st.composite
def arrays(draw, shape, dtype):
    """Draw small numbers. Float arrays sometimes contain zeros, infinities and NaN."""
    rng = np.random.default_rng(draw(seeds))
    if jnp.issubdtype(dtype, jnp.integer):
        return rng.integers(0 if dtype is np.uint8 else -10, 10, shape).astype(dtype)
    values = rng.normal(size=shape) * draw(st.sampled_from([1, 3]))
    for special in draw(st.sampled_from(_SPECIALS)):
        values[tuple(rng.integers(shape))] = special
    return values.astype(dtype)


@st.composite
def windows(draw, *, largest=3, places=4, padding=True):
    """Draw compatible sizes of input and window, strides, and padding of at most half the window.

    On each axis the window has from one to `places` positions at stride 1.
    """
    axes = []
    for _ in range(2):
        size = draw(st.integers(1, largest))
        low, high = (draw(st.integers(0, size // 2)) if padding else 0 for _ in range(2))
        smallest = max(1, size - low - high)
        axes.append((draw(st.integers(smallest, smallest + places - 1)), size, draw(st.integers(1, 3)), (low, high)))
    return tuple(zip(*axes, strict=True))


def x64_if(dtype):
    """Enable JAX's x64 mode if `dtype` is float64."""
    return jax.enable_x64(np.dtype(dtype) == np.float64)


def assert_agrees(actual, expected, magnitude):
    """Assert that `actual` equals `expected` up to the rounding of a sum with total absolute value `magnitude`.

    NaN and infinities must be at the same positions.
    """
    finite = np.isfinite(expected)
    limits = jnp.finfo(actual.dtype)
    actual = np.asarray(actual, np.float64)
    assert actual.shape == expected.shape
    np.testing.assert_array_equal(actual[~finite], expected[~finite])
    difference = np.abs(actual - expected)[finite]
    allowed = 8 * float(limits.eps) * magnitude[finite] + float(limits.smallest_subnormal)
    assert (difference <= allowed).all(), f"{difference.max()} where {allowed[difference.argmax()]} is allowed"
