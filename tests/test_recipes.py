from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxcnn import InputError
from jaxcnn.recipes import RECIPES, get_recipe


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_whole(name):
    recipe = RECIPES[name]
    assert recipe.name == name
    assert len(recipe.documented) == recipe.num_epochs == 5
    assert recipe.batch_size == 256
    images = jnp.zeros((2, recipe.image_size, recipe.image_size, 1))
    init = partial(recipe.model.init_with_output, train=False)
    logits, variables = jax.eval_shape(init, jax.random.key(0), images)
    assert logits.shape == (2, 10)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == recipe.num_parameters


def test_lenet_is_as_documented():
    lenet = RECIPES["lenet"]
    assert (lenet.image_size, lenet.learning_rate) == (28, 0.001)
    assert [epoch.loss for epoch in lenet.documented] == [1.8646, 0.9301, 0.7464, 0.6674, 0.6137]
    assert [epoch.train_accuracy for epoch in lenet.documented] == [0.318, 0.646, 0.720, 0.741, 0.757]
    assert [epoch.test_accuracy for epoch in lenet.documented] == [0.587, 0.685, 0.727, 0.744, 0.760]


def test_a_name_that_is_not_there_says_which_are():
    with pytest.raises(InputError, match=r"'lennet'.*lenet"):
        get_recipe("lennet")
