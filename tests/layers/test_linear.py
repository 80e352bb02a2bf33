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
def test_initial_parameters_are_uniform_within_fan_in_bound(layer, x, fan_in, parameter):
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


def test_conv_accepts_padding_words():
    x = jnp.ones((1, 7, 7, 1))
    assert Conv(2, 3, 2, "SAME").init_with_output(jax.random.key(0), x)[0].shape == (1, 4, 4, 2)
    assert Conv(2, 3, 2, "VALID").init_with_output(jax.random.key(0), x)[0].shape == (1, 3, 3, 2)


def test_dense_is_a_product_plus_a_bias():
    x = jax.random.normal(jax.random.key(1), (2, 5))
    y, variables = Dense(3).init_with_output(jax.random.key(0), x)
    params = variables["params"]
    np.testing.assert_allclose(y, x @ params["kernel"] + params["bias"][None], rtol=1e-6)


@pytest.mark.parametrize(("layer", "shape"), [(Conv(2, 3), (1, 4, 4, 1)), (Dense(2), (1, 4))])
def test_dtype_applies_to_the_computation_only(layer, shape):
    y, variables = layer.clone(dtype=jnp.bfloat16).init_with_output(jax.random.key(0), jnp.ones(shape))
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize(("layer", "shape"), [(Conv(2, 3), (1, 4, 4, 1)), (Dense(2), (1, 4))])
def test_use_bias_false_has_no_bias(layer, shape):
    variables = layer.clone(use_bias=False).init(jax.random.key(0), jnp.ones(shape))
    assert set(variables["params"]) == {"kernel"}


@pytest.mark.parametrize(
    ("layer", "shape", "other"), [(Conv(2, 3), (1, 4, 4, 1), (1, 4, 4, 3)), (Dense(2), (1, 4), (1, 5))]
)
def test_parameters_of_another_input_raise(layer, shape, other):
    variables = layer.init(jax.random.key(0), jnp.ones(shape))
    with pytest.raises(ValueError, match=r"^(Conv|Dense) on an input .*: expected a kernel \(.*\), got \("):
        layer.apply(variables, jnp.ones(other))


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(Conv(2, 3), (1, 4, 4, 0)), (Conv(0, 3), (1, 4, 4, 1)), (Dense(2), (1, 0)), (Dense(-1), (1, 4))],
)
def test_layers_without_inputs_or_features_raise(layer, shape):
    with pytest.raises(
        ValueError, match=rf"with {layer.features} features on an input \(.*\): expected at least one feature and"
    ):
        layer.init(jax.random.key(0), jnp.ones(shape))
