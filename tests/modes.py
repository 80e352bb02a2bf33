"""JAX's modes under which everything must work. JAX_NUMPY_DTYPE_PROMOTION=strict and so on set them for all tests."""

import jax
import pytest

MODES = {
    "strict promotion": lambda: jax.numpy_dtype_promotion("strict"),
    "x64": lambda: jax.enable_x64(True),
    "NaN checks": lambda: jax.debug_nans(True),
}
equal_on_devices = pytest.mark.skipif(
    jax.config.jax_enable_x64, reason="with x64, members on several devices equal single runs up to rounding"
)
every_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
