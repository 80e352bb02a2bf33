"""A range test with the settings of a run."""

from dataclasses import replace

import numpy as np
import pytest
from processes import RECIPE

from jaxcnn.errors import DivergedError, InputError
from jaxcnn.runs import RunConfig, find_learning_rate

CONFIG = RunConfig(replace(RECIPE, batch_size=64, schedule="one_cycle", warmup_epochs=1.0), seed=3, limit=256)
SHORT = {"min_rate": 1e-4, "max_rate": 0.1, "num_steps": 10}


@pytest.fixture(scope="module")
def found(sample):
    return find_learning_rate(CONFIG, sample, num_seeds=2, **SHORT)


def test_the_rates_rise_exponentially(found):
    np.testing.assert_allclose(found.rates[[0, -1]], [1e-4, 0.1])
    np.testing.assert_allclose(found.rates[1:] / found.rates[:-1], 1000 ** (1 / 9))


def test_the_members_are_the_seeds_from_that_of_the_config(found, sample):
    second = find_learning_rate(replace(CONFIG, seed=4), sample, num_seeds=1, **SHORT)
    np.testing.assert_allclose(found.losses[1:], second.losses, rtol=1e-5)


def test_the_rate_and_the_schedule_of_the_recipe_are_not_used(found, sample):
    recipe = replace(CONFIG.recipe, schedule="constant", warmup_epochs=0.0, learning_rate=0.5)
    constant = find_learning_rate(replace(CONFIG, recipe=recipe), sample, num_seeds=2, **SHORT)
    np.testing.assert_array_equal(constant.losses, found.losses)


def test_normalization_and_weights_come_from_training_images(sample):
    limited = sample.limit(CONFIG.limit)
    recipe = replace(CONFIG.recipe, normalization="train", class_weights="balanced")
    numbers = recipe.resolve(limited.train, 10, 1)
    assert numbers != recipe
    found, expected = (
        find_learning_rate(replace(CONFIG, recipe=each), sample, num_seeds=1, **SHORT) for each in (recipe, numbers)
    )
    np.testing.assert_array_equal(found.losses, expected.losses)


@pytest.mark.usefixtures("with_nans")
def test_an_initial_loss_that_is_not_finite_raises(sample, record_fault):
    recipe = replace(CONFIG.recipe, init_gain=1e38)
    with pytest.raises(DivergedError) as raised:
        find_learning_rate(replace(CONFIG, recipe=recipe), sample, num_seeds=1, **SHORT)
    record_fault("a range test of a network with infinite outputs", "a `DivergedError` of one line", str(raised.value))


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"min_rate": 0.0}, "--min 0 --max 0.1"), ({"min_rate": 1.0}, "--min 1 --max 0.1"),
        ({"max_rate": float("inf")}, "--max inf"), ({"min_rate": float("nan")}, "--min nan"),
        ({"num_steps": 9}, "--steps 9"), ({"num_seeds": 0}, "--seeds 0"),
    ],
)  # fmt: skip
def test_values_out_of_range_raise(sample, record_fault, changes, option):
    with pytest.raises(InputError) as raised:
        find_learning_rate(CONFIG, sample, **{**SHORT, **changes})
    assert option in str(raised.value)
    record_fault(f"a range test with `{option}`", "an `InputError` of one line", str(raised.value))
