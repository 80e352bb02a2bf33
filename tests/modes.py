"""JAX's modes under which everything must work. JAX_NUMPY_DTYPE_PROMOTION=strict and so on set them for all tests."""

import jax
import pytest

MODES = {
    "strict promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "x64": lambda: jax.enable_x64(True),
    "NaN checks": lambda: jax.debug_nans(True),
}
every_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
