from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.models import LeNet
from jaxcnn.recipes import MODERN_RECIPES, RECIPES, get_recipe
from jaxcnn.training import create_train_state

LENET = replace(MODERN_RECIPES["lenet_modern"], optimizer="adam", optimizer_options={})


@pytest.mark.parametrize("name", RECIPES)
def test_each_network_has_a_modern_recipe(name):
    reference, modern = RECIPES[name], get_recipe(f"{name}_modern")
    assert modern.name == f"{name}_modern"
    for same in ("num_epochs", "reference", "num_parameters"):
        assert getattr(modern, same) == getattr(reference, same)
    assert modern.title != reference.title
    assert type(modern.model) is type(reference.model)


@pytest.mark.parametrize(("name", "size"), [("resnet_modern", 48), ("densenet_modern", 96), ("lenet_bn_modern", 28)])
def test_modern_recipes_state_their_own_image_size(name, size):
    assert get_recipe(name).image_size == size


def test_the_books_recipes_use_the_adam_of_their_time_and_no_augmentation():
    for recipe in RECIPES.values():
        assert recipe.describe_training() == f"Adam (epsilon hat) at {recipe.learning_rate:g}"
        assert recipe.augmentation is None
        params = {"layer": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
        assert recipe.initialize(params) is params


@pytest.mark.usefixtures("standard_promotion")
def test_one_cycle_rises_for_30_percent_of_the_steps_and_falls():
    recipe = replace(LENET, learning_rate=0.1, batch_size=10, num_epochs=2, weight_decay=0.0)
    optimizer = recipe.make_optimizer(num_examples=95)  # 20 steps
    params = jnp.zeros(1)
    state = optimizer.init(params)
    rates = []
    for _ in range(20):
        update, state = optimizer.update(jnp.ones(1), state, params)
        rates.append(-float(update[0]))  # Adam normalizes a constant gradient to 1
    assert rates[0] == pytest.approx(0.1 / 25, rel=1e-4)
    assert max(rates) == pytest.approx(rates[6]) == pytest.approx(0.1, rel=1e-4)
    assert np.all(np.diff(rates[:7]) > 0)
    assert np.all(np.diff(rates[6:]) < 0)
    assert rates[-1] < 0.1 / 50


@pytest.mark.usefixtures("standard_promotion")
def test_only_kernels_decay():
    optimizer = replace(
        LENET, optimizer="adamw", schedule="constant", learning_rate=0.5, weight_decay=0.2
    ).make_optimizer()
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2), "scale": jnp.ones(2)}
    updates, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
    after = optax.apply_updates(params, updates)
    np.testing.assert_allclose(np.asarray(after["kernel"]), 0.9)
    np.testing.assert_array_equal(after["bias"], 1)
    np.testing.assert_array_equal(after["scale"], 1)


def test_init_gain_scales_kernels_and_zeros_biases():
    recipe = replace(LENET, init_gain=6**0.5)
    state = create_train_state(LeNet(), recipe.make_optimizer(), jax.random.key(0), (28, 28, 1))
    params = recipe.initialize(state.params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if path[-1].key == "bias":
            np.testing.assert_array_equal(leaf, 0)
        else:
            fan_in = np.prod(leaf.shape[:-1])
            assert float(jnp.abs(leaf).max()) == pytest.approx((6 / fan_in) ** 0.5, rel=0.1)
            assert float(leaf.var()) == pytest.approx(2 / fan_in, rel=0.3)


def test_init_gain_does_not_change_norm_scales():
    params = {"norm1": {"scale": jnp.ones(3), "bias": jnp.zeros(3)}}
    np.testing.assert_array_equal(LENET.initialize(params)["norm1"]["scale"], 1)


def test_equal_recipes_share_one_optimizer_object():
    assert LENET.make_optimizer() is replace(LENET).make_optimizer()
    assert LENET.make_optimizer() is not LENET.make_optimizer(1000)
