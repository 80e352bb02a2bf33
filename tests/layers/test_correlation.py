import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import ops
from jaxcnn.layers import Corr2D


def test_is_corr2d_with_its_parameters():
    x = jax.random.normal(jax.random.key(1), (5, 6))
    y, variables = Corr2D((2, 3)).init_with_output(jax.random.key(0), x)
    params = variables["params"]
    np.testing.assert_allclose(y, ops.corr2d(x, params["kernel"]) + params["bias"], rtol=1e-6)


def test_integer_kernel_size_is_square():
    assert Corr2D(3).init(jax.random.key(0), jnp.ones((5, 5)))["params"]["kernel"].shape == (3, 3)


def test_kernel_and_bias_are_initialized_from_n_0_1():
    def drawn(key):
        params = Corr2D(2).init(key, jnp.ones((2, 2)))["params"]
        return jnp.append(params["kernel"].reshape(-1), params["bias"])

    values = jax.vmap(drawn)(jax.random.split(jax.random.key(0), 2000))
    np.testing.assert_allclose(values.mean(0), np.zeros(5), atol=0.1)
    np.testing.assert_allclose(jnp.cov(values.T), np.eye(5), atol=0.15)


@pytest.mark.parametrize(("kernel_size", "message"), [(0, "kernel size 0"), (4, "window of 4x4 does not fit")])
def test_invalid_kernel_size_raises(kernel_size, message):
    with pytest.raises(ValueError, match=message):
        Corr2D(kernel_size).init(jax.random.key(0), jnp.ones((3, 3)))
