from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcnn import ops
from jaxcnn.layers import BatchNorm, library_batch_norm, scratch_batch_norm, uniform_scale_batch_norm

SHAPES = [(16, 3), (4, 5, 6, 3)]


def random_variables(seed=0):
    rng = np.random.default_rng(seed)
    scale, bias, mean = (jnp.asarray(rng.normal(size=3), jnp.float32) for _ in range(3))
    var = jnp.asarray(rng.uniform(0.5, 2, 3), jnp.float32)
    return {"params": {"scale": scale, "bias": bias}, "batch_stats": {"mean": mean, "var": var}}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("predicting", [False, True])
def test_equals_flax_batch_norm(shape, predicting):
    """Results, updated statistics, and gradients for activations and variables."""
    x = jax.random.normal(jax.random.key(0), shape) * 3 + 1
    weights = jax.random.normal(jax.random.key(1), shape)
    results = []
    for norm in (partial(nn.BatchNorm, momentum=0.9, use_fast_variance=False), library_batch_norm):

        def weighted(variables, x, norm=norm):
            y, updates = norm(use_running_average=predicting).apply(variables, x, mutable=["batch_stats"])
            return (y * weights).sum() + jnp.square(updates["batch_stats"]["var"]).sum(), (y, updates)

        results.append(jax.value_and_grad(weighted, (0, 1), has_aux=True)(random_variables(), x))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), *results)


@pytest.mark.parametrize("shape", SHAPES)
def test_is_ops_batch_norm_with_its_variables(shape):
    x, variables = jax.random.normal(jax.random.key(0), shape), random_variables()
    layer = BatchNorm(use_running_average=False, momentum=0.7, epsilon=1e-2)
    y, updates = layer.apply(variables, x, mutable=["batch_stats"])
    params, stats = variables["params"], ops.BatchStats(**variables["batch_stats"])
    expected, stats = ops.batch_norm(x, **params, stats=stats, train=True, momentum=0.7, epsilon=1e-2)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(updates["batch_stats"]["mean"], stats.mean)
    np.testing.assert_array_equal(updates["batch_stats"]["var"], stats.var)


@pytest.mark.parametrize(("norm", "var"), [(BatchNorm, 1), (library_batch_norm, 1), (scratch_batch_norm, 0)])
def test_initial_gamma_is_1_and_beta_is_0(norm, var):
    variables = norm(use_running_average=False).init(jax.random.key(0), jnp.full((4, 3), 7.0))
    np.testing.assert_array_equal(variables["params"]["scale"], np.ones(3))
    np.testing.assert_array_equal(variables["params"]["bias"], np.zeros(3))
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], np.zeros(3))
    np.testing.assert_array_equal(variables["batch_stats"]["var"], np.full(3, var))


def test_uniform_scale_draws_gamma_from_u_0_1():
    layer = uniform_scale_batch_norm(use_running_average=False)
    gamma, other = (layer.init(jax.random.key(seed), jnp.ones((2, 4000)))["params"]["scale"] for seed in (0, 1))
    assert 0 <= gamma.min() < gamma.max() < 1
    counts, _ = np.histogram(gamma, bins=10, range=(0, 1))
    assert counts.min() > 340  # three standard deviations below 400
    assert np.abs(gamma - other).max() > 0.9
    np.testing.assert_array_equal(layer.init(jax.random.key(0), jnp.ones((2, 4)))["params"]["bias"], np.zeros(4))


@pytest.mark.usefixtures("standard_promotion")
@pytest.mark.parametrize("norm", [BatchNorm, nn.BatchNorm])
def test_dtype_applies_to_the_computation_only(norm):
    layer = norm(use_running_average=False, dtype=jnp.bfloat16)
    y, variables = layer.init_with_output(jax.random.key(0), jnp.ones((4, 3)))
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


def test_use_running_average_is_required_once():
    x, variables = jnp.ones((4, 3)), random_variables()
    expected = BatchNorm(use_running_average=True).apply(variables, x)
    np.testing.assert_array_equal(BatchNorm().apply(variables, x, use_running_average=True), expected)
    with pytest.raises(ValueError, match="use_running_average"):
        BatchNorm().apply(variables, x)
