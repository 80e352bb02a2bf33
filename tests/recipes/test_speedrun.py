from dataclasses import replace

import jax
import numpy as np
import pytest

from jaxcnn import training
from jaxcnn.recipes import SPEEDRUN_RECIPES, get_recipe

every_recipe = pytest.mark.parametrize("name", SPEEDRUN_RECIPES)


@every_recipe
def test_the_rate_rises_and_falls_to_zero(name):
    recipe = get_recipe(name)
    num_steps = recipe.num_epochs * 235
    rates = np.array([recipe.learning_rate_at(step) for step in range(num_steps)])
    peak = round(recipe.warmup_epochs * 235)
    assert rates.argmax() == peak
    assert rates[peak] == pytest.approx(recipe.learning_rate)
    assert rates[0] == 0
    assert rates[-1] < 0.01 * recipe.learning_rate


@pytest.mark.usefixtures("standard_promotion")
@every_recipe
def test_learns_the_sample_in_few_steps(name, sample):
    recipe = replace(get_recipe(name), batch_size=64, num_epochs=4, warmup_epochs=0.5)
    optimizer = recipe.make_optimizer(len(sample.train_labels))
    state = training.create_train_state(recipe.model, optimizer, jax.random.key(0), (28, 28, 1))
    epochs = list(training.fit(state, sample, recipe.fit_options()))
    assert epochs[-1].train_accuracy > 0.75
    assert epochs[-1].train_loss < 0.75 * epochs[0].train_loss
