from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import layers
from jaxcnn.models import LeNet
from jaxcnn.recipes import RECIPES, get_recipe
from jaxcnn.training import create_train_state

PARAMETERS = {
    "lenet": 44_426, "alexnet": 46_764_746, "vgg": 8_060_234, "nin": 1_992_166, "googlenet": 5_977_530,
    "lenet_bn_scratch": 44_878, "lenet_bn": 44_878, "resnet": 11_178_378, "densenet": 758_226,
}  # fmt: skip
"""The numbers of parameters, counted in PyTorch implementations of the book's networks."""


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_has_the_books_number_of_parameters(name):
    recipe = RECIPES[name]
    assert recipe.name == name
    assert len(recipe.reference) == recipe.num_epochs == 5
    assert recipe.batch_size == 256
    images = jnp.zeros((2, recipe.image_size, recipe.image_size, 1))
    init = partial(recipe.model.init_with_output, train=False)
    logits, variables = jax.eval_shape(init, jax.random.key(0), images)
    assert logits.shape == (2, 10)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == recipe.num_parameters == PARAMETERS[name]


@pytest.mark.parametrize(
    ("name", "image_size", "learning_rate", "first_loss", "last_train_accuracy", "last_test_accuracy", "first_seconds"),
    [
        ("lenet", 28, 0.001, 1.8646, 0.757, 0.760, 4.7),
        ("alexnet", 224, 0.001, 0.6961, 0.915, 0.906, 26.5),
        ("vgg", 224, 0.001, 0.7833, 0.911, 0.912, 44.3),
        ("nin", 224, 0.002, 1.2753, 0.854, 0.856, 31.9),
        ("googlenet", 96, 0.001, 2.4547, 0.842, 0.826, 23.0),
        ("lenet_bn_scratch", 28, 0.001, 1.0072, 0.890, 0.855, 6.7),
        ("lenet_bn", 28, 0.001, 1.3550, 0.891, 0.821, 5.2),
        ("resnet", 28, 0.001, 0.4296, 0.923, 0.903, 10.8),
        ("densenet", 28, 0.001, 0.5218, 0.919, 0.871, 12.7),
    ],
)
def test_each_recipe_has_the_books_settings_and_figures(
    name, image_size, learning_rate, first_loss, last_train_accuracy, last_test_accuracy, first_seconds
):
    recipe = RECIPES[name]
    first, last = recipe.reference[0], recipe.reference[-1]
    assert (recipe.image_size, recipe.learning_rate, first.loss, first.seconds) == (
        image_size, learning_rate, first_loss, first_seconds
    )  # fmt: skip
    assert (last.train_accuracy, last.test_accuracy) == (last_train_accuracy, last_test_accuracy)


def test_the_batch_norm_lenets_differ_in_initial_variance():
    assert [RECIPES[name].model.norm().initial_var for name in ("lenet_bn_scratch", "lenet_bn")] == [0, 1]


@pytest.mark.parametrize(
    ("name", "is_uniform"),
    [
        ("lenet_bn", True), ("resnet", True), ("densenet", True), ("lenet_bn_scratch", False),
        ("lenet_bn_modern", False), ("resnet_modern", False), ("densenet_modern", False),
        ("lenet_bn_scratch_modern", False),
    ],
)  # fmt: skip
def test_initial_gamma_is_uniform_or_one(name, is_uniform):
    recipe = get_recipe(name)
    image_shape = (recipe.image_size, recipe.image_size, 1)
    params = create_train_state(recipe.model, recipe.make_optimizer(), jax.random.key(0), image_shape).params
    leaves = jax.tree_util.tree_leaves_with_path(params)
    gammas = [np.asarray(leaf) for path, leaf in leaves if path[-1].key == "scale"]
    assert gammas
    values = np.concatenate(gammas)
    if is_uniform:
        assert 0 <= values.min() < 0.05
        assert 0.95 < values.max() < 1
        assert abs(values.mean() - 0.5) < 0.06
        assert len(np.unique(values)) > 0.99 * len(values)  # each layer draws its own
    else:
        np.testing.assert_array_equal(values, 1)


def test_uniform_gamma_does_not_change_other_parameters():
    recipe = RECIPES["lenet_bn"]
    norms = (layers.uniform_scale_batch_norm, layers.library_batch_norm)
    uniform, ones = (
        create_train_state(LeNet(norm=norm), recipe.make_optimizer(), jax.random.key(3), (28, 28, 1)).params
        for norm in norms
    )
    np.testing.assert_array_equal(uniform["conv1"]["kernel"], ones["conv1"]["kernel"])
    np.testing.assert_array_equal(uniform["dense3"]["bias"], ones["dense3"]["bias"])


def test_lenet_has_the_books_figures_in_every_epoch():
    lenet = RECIPES["lenet"]
    assert [epoch.loss for epoch in lenet.reference] == [1.8646, 0.9301, 0.7464, 0.6674, 0.6137]
    assert [epoch.train_accuracy for epoch in lenet.reference] == [0.318, 0.646, 0.720, 0.741, 0.757]
    assert [epoch.test_accuracy for epoch in lenet.reference] == [0.587, 0.685, 0.727, 0.744, 0.760]
