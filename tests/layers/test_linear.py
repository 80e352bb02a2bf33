import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense


@pytest.mark.parametrize(
    ("layer", "x", "fan_in"),
    [
        (Conv(64, (3, 5)), jnp.ones((1, 8, 8, 4)), 60),
        (Dense(256), jnp.ones((1, 100)), 100),
    ],
)
@pytest.mark.parametrize("parameter", ["kernel", "bias"])
def test_parameters_start_uniform_within_one_over_the_root_of_fan_in(layer, x, fan_in, parameter):
    values = np.asarray(layer.init(jax.random.key(0), x)["params"][parameter])
    bound = fan_in**-0.5
    assert np.abs(values).max() <= bound
    assert np.abs(values).max() > 0.9 * bound
    assert abs(values.mean()) < 4 * bound / (3 * values.size) ** 0.5
    np.testing.assert_allclose(values.std(), bound / 3**0.5, rtol=0.25)


def test_conv_is_conv2d_with_its_parameters():
    layer = Conv(3, 3, strides=2, padding=1)
    x = jax.random.normal(jax.random.key(1), (2, 7, 7, 2))
    y, variables = layer.init_with_output(jax.random.key(0), x)
    params = variables["params"]
    np.testing.assert_array_equal(y, ops.conv2d(x, params["kernel"], params["bias"], strides=2, padding=1))


def test_dense_is_a_product_plus_a_bias():
    x = jax.random.normal(jax.random.key(1), (2, 5))
    y, variables = Dense(3).init_with_output(jax.random.key(0), x)
    params = variables["params"]
    np.testing.assert_allclose(y, x @ params["kernel"] + params["bias"][None], rtol=1e-6)


@pytest.mark.parametrize(("layer", "shape"), [(Conv(2, 3), (1, 4, 4, 1)), (Dense(2), (1, 4))])
def test_dtype_is_that_of_the_computation_alone(layer, shape):
    y, variables = layer.clone(dtype=jnp.bfloat16).init_with_output(jax.random.key(0), jnp.ones(shape))
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize(("layer", "shape"), [(Conv(2, 3), (1, 4, 4, 1)), (Dense(2), (1, 4))])
def test_the_bias_can_be_left_out(layer, shape):
    variables = layer.clone(use_bias=False).init(jax.random.key(0), jnp.ones(shape))
    assert set(variables["params"]) == {"kernel"}
