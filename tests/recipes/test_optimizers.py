"""Optimizers and schedules by name, combined by a recipe."""

import subprocess
import sys
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn import InputError
from jaxcnn.models import LeNet
from jaxcnn.recipes import Recipe

pytestmark = pytest.mark.usefixtures("standard_promotion")

RECIPE = Recipe("mine", LeNet(), 28, 0.5, batch_size=10, num_epochs=2, optimizer="sgd")
NUM_EXAMPLES = 100  # 10 steps an epoch, 20 in all


def rates_of(recipe):
    """The learning rate of each step: with SGD, the update of a gradient of 1."""
    optimizer = recipe.make_optimizer(NUM_EXAMPLES)
    params = jnp.zeros(1)
    state, rates = optimizer.init(params), []
    for _ in range(20):
        update, state = optimizer.update(jnp.ones(1), state, params)
        rates.append(-float(update[0]))
    return np.array(rates)


@pytest.mark.parametrize(
    ("schedule", "options", "expected"),
    [
        ("constant", {}, np.full(20, 0.5)),
        ("linear", {}, 0.5 * (1 - np.arange(20) / 20)),
        ("linear", {"end": 0.5}, 0.5 * (1 - np.arange(20) / 40)),
        ("cosine", {}, 0.5 * (1 + np.cos(np.pi * np.arange(20) / 20)) / 2),
        ("step", {}, np.repeat([0.5, 0.05, 0.005], [10, 5, 5])),
        ("step", {"at": (0.25,), "factor": 0.5}, np.repeat([0.5, 0.25], [5, 15])),
    ],
)
def test_a_schedule_gives_the_rate_of_each_step(schedule, options, expected):
    recipe = replace(RECIPE, schedule=schedule, schedule_options=options)
    np.testing.assert_allclose(rates_of(recipe), expected, rtol=1e-5, atol=1e-8)


def test_drops_at_the_same_step_are_multiplied():
    recipe = replace(RECIPE, schedule="step", schedule_options={"at": (0.5, 0.51)})
    np.testing.assert_allclose(rates_of(recipe), np.repeat([0.5, 0.005], [10, 10]), rtol=1e-5)


def test_one_cycle_equals_optax():
    expected = [optax.cosine_onecycle_schedule(20, 0.5)(step) for step in range(20)]
    np.testing.assert_allclose(rates_of(replace(RECIPE, schedule="one_cycle")), np.array(expected), rtol=1e-5)


def test_warmup_rises_from_zero_before_the_schedule():
    rates = rates_of(replace(RECIPE, schedule="linear", warmup_epochs=0.5))
    np.testing.assert_allclose(rates[:5], 0.5 * np.arange(5) / 5, atol=1e-7)
    np.testing.assert_allclose(rates[5:], 0.5 * (1 - np.arange(15) / 15), rtol=1e-5)
    np.testing.assert_allclose(rates_of(replace(RECIPE, warmup_epochs=0.5))[4:7], [0.4, 0.5, 0.5], rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options", "same"),
    [
        ("sgd", {"momentum": 0.9, "nesterov": True}, optax.sgd(0.5, momentum=0.9, nesterov=True)),
        ("adam", {"b1": 0.8}, optax.adam(0.5, b1=0.8)),
        ("lion", {}, optax.lion(0.5, weight_decay=0.0)),
        ("rmsprop", {"decay": 0.8}, optax.rmsprop(0.5, decay=0.8)),
        ("muon", {}, optax.contrib.muon(0.5)),
        ("adamw", {}, optax.adamw(0.5, weight_decay=0.0)),
        ("adamw", {"weight_decay": 0.3, "mask": None}, optax.adamw(0.5, weight_decay=0.3)),
    ],
)
def test_a_named_optimizer_equals_optax(name, options, same):
    optimizer = replace(RECIPE, optimizer=name, optimizer_options=options).make_optimizer(NUM_EXAMPLES)
    params = {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3)}
    gradients = {"kernel": jnp.ones((2, 3)) - 0.3 * params["kernel"], "bias": jnp.full(3, -2.0)}
    states = [optimizer.init(params), same.init(params)]
    for _ in range(3):
        updates = []
        for number, transformation in enumerate((optimizer, same)):
            update, states[number] = transformation.update(gradients, states[number], params)
            updates.append(update)
        for key in params:
            np.testing.assert_allclose(updates[0][key], updates[1][key], rtol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adamw", "lion"])
def test_kernels_decay_with_every_optimizer(name):
    optimizer = replace(RECIPE, optimizer=name, weight_decay=0.2).make_optimizer(NUM_EXAMPLES)
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2), "scale": jnp.ones(2)}
    zeros = {key: jnp.zeros_like(leaf) for key, leaf in params.items()}
    updates, _ = optimizer.update(zeros, optimizer.init(params), params)
    np.testing.assert_allclose(np.asarray(updates["kernel"]), -0.1, rtol=1e-6)
    np.testing.assert_array_equal(updates["bias"], 0)
    np.testing.assert_array_equal(updates["scale"], 0)


@pytest.mark.parametrize(("gradient", "expected"), [([3.0, 4.0], [-0.3, -0.4]), ([0.3, 0.4], [-0.15, -0.2])])
def test_gradients_above_clip_norm_are_scaled_down(gradient, expected):
    optimizer = replace(RECIPE, clip_norm=1.0).make_optimizer(NUM_EXAMPLES)
    params = jnp.zeros(2)
    update, _ = optimizer.update(jnp.array(gradient), optimizer.init(params), params)
    np.testing.assert_allclose(np.asarray(update), expected, rtol=1e-6)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_an_injected_learning_rate_gives_the_same_updates(schedule):
    recipe = replace(RECIPE, optimizer="adamw", schedule=schedule, weight_decay=0.1, clip_norm=2.0, warmup_epochs=0.2)
    plain = recipe.make_optimizer(NUM_EXAMPLES)
    injected = recipe.make_optimizer(NUM_EXAMPLES, inject_learning_rate=True)
    assert injected is replace(recipe, learning_rate=0.1).make_optimizer(NUM_EXAMPLES, inject_learning_rate=True)
    params = {"kernel": jnp.arange(4.0).reshape(2, 2)}
    states = [plain.init(params), injected.init(params)]
    states[1].hyperparams["learning_rate"] = jnp.float32(0.5)
    for step in range(4):
        gradients = {"kernel": jnp.full((2, 2), 1.0 + step)}
        updates = []
        for number, optimizer in enumerate((plain, injected)):
            update, states[number] = optimizer.update(gradients, states[number], params)
            updates.append(np.asarray(update["kernel"]))
        np.testing.assert_array_equal(*updates)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "adamm"}, "optimizer 'adamm' is unknown: did you mean "),
        ({"optimizer": "zzzzz"}, "expected one of optax, such as adam, adamw, sgd or lion"),
        ({"optimizer": "chain"}, "optimizer 'chain' is unknown"),
        (
            {"optimizer": "schedule_free_adamw"},
            "optimizer schedule_free_adamw: it needs other parameters in evaluation",
        ),
        (
            {"schedule": "cosin"},
            "schedule 'cosin' is unknown: expected one of constant, linear, cosine, step, one_cycle",
        ),
        ({"weight_decay": -0.1}, "weight_decay -0.1: expected 0 or more"),
        ({"weight_decay": float("nan")}, "weight_decay nan"),
        ({"label_smoothing": 1.0}, "label_smoothing 1.0: expected 0 or more, and less than 1"),
        ({"clip_norm": 0.0}, "clip_norm 0.0: expected a number above 0, or None"),
        ({"warmup_epochs": -1.0}, "warmup_epochs -1.0: expected 0 or more"),
        ({"image_size": 0}, "image_size 0: expected 1 or more pixels"),
    ],
)
def test_a_setting_out_of_range_raises(change, message):
    with pytest.raises(InputError, match=message):
        replace(RECIPE, **change)


def test_an_unknown_optimizer_option_raises():
    recipe = replace(RECIPE, optimizer_options={"momentun": 0.9})
    with pytest.raises(
        InputError, match=r"optimizer sgd: .*'momentun'.*; its options are accumulator_dtype, momentum, nesterov$"
    ):
        recipe.make_optimizer(NUM_EXAMPLES)


def test_an_unknown_schedule_option_raises():
    recipe = replace(RECIPE, schedule="step", schedule_options={"ate": (0.5,)})
    with pytest.raises(
        InputError, match=r"schedule_options {'ate': \(0.5,\)}: the schedule step refuses them \(.*'ate'"
    ):
        recipe.make_optimizer(NUM_EXAMPLES)


def test_a_list_in_the_options_is_like_a_tuple():
    recipe = replace(RECIPE, schedule="step", schedule_options={"at": [0.3, 0.6]})
    assert recipe == replace(recipe, schedule_options={"at": (0.3, 0.6)})
    assert recipe.learning_rate_at(59, 60_000) == pytest.approx(recipe.learning_rate)


def test_counts_are_integers_without_type_checks_too():
    """Another process does not have the type checks of the tests."""
    program = """if True:
        import numpy as np
        from jaxcnn import models, recipes
        print(type(recipes.Recipe("mine", models.LeNet(), 28, 0.1, batch_size=np.int64(64)).batch_size))
        for change in ({"image_size": 28.5}, {"batch_size": 256 / 2}, {"num_epochs": "5"}):
            try:
                recipes.Recipe("mine", models.LeNet(), **{"image_size": 28, "learning_rate": 0.1, **change})
            except ValueError as error:
                print(error)
    """
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert out.splitlines() == [
        "<class 'int'>", "image_size 28.5: expected an integer", "batch_size 128.0: expected an integer",
        "num_epochs '5': expected an integer",
    ]  # fmt: skip
