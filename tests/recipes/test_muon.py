"""Muon for the kernels of convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.models import LeNet
from jaxcnn.recipes import Recipe, filter_muon

pytestmark = pytest.mark.usefixtures("standard_promotion")


def updates_of(optimizer, params, gradients, steps=1):
    state = optimizer.init(params)
    for _ in range(steps):
        updates, state = optimizer.update(gradients, state, params)
    return updates


def drawn(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (1, 1, 3, 12)])
def test_the_update_of_a_filter_is_nearly_orthogonal(shape):
    params = {"kernel": jnp.zeros(shape)}
    updates = updates_of(filter_muon(0.5), params, {"kernel": drawn(*shape)})
    rows, columns = np.prod(shape[:3]), shape[3]
    values = np.linalg.svd(np.asarray(updates["kernel"]).reshape(rows, columns), compute_uv=False)
    scale = 0.5 * max(1, columns / rows) ** 0.5
    assert values.min() > 0.6 * scale
    assert values.max() < 1.3 * scale


def test_all_other_parameters_take_adam_with_a_share_of_the_rate():
    params = {"kernel": drawn(3, 2), "bias": drawn(2), "filter": drawn(3, 3, 1, 2)}
    gradients = jax.tree.map(lambda leaf: leaf + 1, params)
    updates = updates_of(filter_muon(0.5, adam_ratio=0.2), params, gradients, steps=2)
    expected = updates_of(optax.nadam(0.1), params, gradients, steps=2)
    for name in ("kernel", "bias"):
        np.testing.assert_allclose(updates[name], expected[name], rtol=1e-5)
    assert np.abs(updates["filter"] - expected["filter"]).max() > 0.01


def test_only_filters_decay():
    params = {"filter": jnp.ones((1, 1, 2, 2)), "kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates = updates_of(filter_muon(0.5, weight_decay=0.1), params, zeros)
    np.testing.assert_allclose(np.asarray(updates["filter"]), -0.05, rtol=1e-5)
    np.testing.assert_array_equal(updates["kernel"], 0)
    np.testing.assert_array_equal(updates["bias"], 0)


@pytest.mark.parametrize("inject", [False, True])
def test_a_schedule_scales_both_rates(inject):
    recipe = Recipe("mine", LeNet(), 28, 0.5, optimizer="filter_muon", schedule="linear", batch_size=10, num_epochs=1)
    optimizer = recipe.make_optimizer(20, inject_learning_rate=inject)  # 2 steps: the rates 0.5 and 0.25
    params = {"filter": jnp.zeros((1, 1, 2, 2)), "bias": jnp.zeros(2)}
    gradients = {"filter": jnp.eye(2).reshape(1, 1, 2, 2), "bias": jnp.ones(2)}
    adam = optax.nadam(optax.linear_schedule(0.05, 0.0, 2))
    states = [optimizer.init(params), adam.init(params)]
    if inject:
        states[0].hyperparams["learning_rate"] = jnp.float32(0.5)
    filters = []
    for _ in range(2):
        updates, states[0] = optimizer.update(gradients, states[0], params)
        expected, states[1] = adam.update(gradients, states[1], params)
        np.testing.assert_allclose(updates["bias"], expected["bias"], rtol=1e-4)
        filters.append(np.asarray(updates["filter"]))
    np.testing.assert_allclose(filters[1], filters[0] / 2, rtol=1e-4)
