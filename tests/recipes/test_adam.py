"""Adam with the paper's epsilon hat."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.models import LeNet
from jaxcnn.recipes import Recipe, adam_epsilon_hat

pytestmark = pytest.mark.usefixtures("standard_promotion")

STEPS = 50
SCALES = np.array([1.0, 1e-4, 1e-7, 1e-8, 1e-10])  # of the gradients
GRADIENTS = np.random.default_rng(0).normal(size=(STEPS, len(SCALES))) * SCALES


def trained(optimizer, gradients):
    params = jnp.zeros(gradients.shape[1])
    state = optimizer.init(params)
    for gradient in gradients:
        updates, state = optimizer.update(jnp.asarray(gradient, jnp.float32), state, params)
        params = optax.apply_updates(params, updates)
    return np.asarray(params)


def numpy_adam(gradients, learning_rate, b1=0.9, b2=0.999, eps=1e-8):
    params = m = v = np.zeros(gradients.shape[1])
    for step, gradient in enumerate(gradients, start=1):
        m = b1 * m + (1 - b1) * gradient
        v = b2 * v + (1 - b2) * gradient**2
        rate = learning_rate * np.sqrt(1 - b2**step) / (1 - b1**step)
        params = params - rate * m / (np.sqrt(v) + eps)
    return params


@pytest.mark.parametrize("options", [{}, {"b1": 0.5, "b2": 0.9, "eps": 1e-3}])
def test_it_follows_the_formula(options):
    found = trained(adam_epsilon_hat(0.01, **options), GRADIENTS)
    np.testing.assert_allclose(found, numpy_adam(GRADIENTS, 0.01, **options), rtol=1e-4)


def test_it_differs_from_adam_for_small_gradients_only():
    found, adam = trained(adam_epsilon_hat(0.01), GRADIENTS), trained(optax.adam(0.01), GRADIENTS)
    np.testing.assert_allclose(found[:2], adam[:2], rtol=1e-2)
    assert (np.abs(found[2:]) < 0.9 * np.abs(adam[2:])).all()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_updates_keep_the_type_of_the_parameters(dtype):
    with jax.enable_x64(True):
        params = jnp.ones(3, dtype)
        optimizer = adam_epsilon_hat(0.1)
        updates, _ = optimizer.update(params, optimizer.init(params), params)
    assert updates.dtype == dtype


def test_its_state_is_that_of_adam():
    params = jnp.zeros(3)
    state = adam_epsilon_hat(0.1).init(params)
    assert isinstance(state[0], optax.ScaleByAdamState)


@pytest.mark.parametrize("inject", [False, True])
def test_a_schedule_scales_its_rate(inject):
    recipe = Recipe(
        "mine", LeNet(), 28, 0.5, optimizer="adam_epsilon_hat", schedule="linear", batch_size=10, num_epochs=1
    )
    optimizer = recipe.make_optimizer(20, inject_learning_rate=inject)  # 2 steps: the rates 0.5 and 0.25
    state = optimizer.init(jnp.zeros(1))
    if inject:
        state = state._replace(hyperparams={"learning_rate": jnp.float32(0.5)})
    for rate in (0.5, 0.25):
        update, state = optimizer.update(jnp.ones(1), state, jnp.zeros(1))
        np.testing.assert_allclose(update, -rate, rtol=1e-4)
