"""The learning rate range test."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from processes import Quick

from jaxcnn.training import (
    ChunkResult,
    FitOptions,
    RangeTest,
    create_train_state,
    fit_in_chunks,
    range_test,
    stack_members,
)

OPTIONS = FitOptions(num_epochs=2, batch_size=64, chunk_seconds=0.0)  # 8 steps an epoch of the sample
RATES = np.geomspace(1e-4, 1.0, 12)
INJECTED = optax.inject_hyperparams(optax.sgd)(learning_rate=0.0)


def members(count, tx=INJECTED):
    return stack_members([create_train_state(Quick(), tx, seed, (28, 28, 1)) for seed in range(count)])


def test_each_step_has_its_rate(sample):
    """The losses are those of ordinary training with the rates as a schedule."""
    optimizer = optax.sgd(lambda step: jnp.asarray(RATES, jnp.float32)[step])
    state = create_train_state(Quick(), optimizer, 0, (28, 28, 1))
    results = fit_in_chunks(state, sample, OPTIONS, chunk_steps=1)
    expected = [float(result.metrics["loss"]) for result in results if isinstance(result, ChunkResult)]
    found = range_test(members(1), sample, OPTIONS, rates=RATES)
    np.testing.assert_array_equal(found.rates, RATES)
    np.testing.assert_allclose(found.losses, [expected[: len(RATES)]], rtol=1e-5)


def test_members_equal_their_single_tests(sample):
    together = range_test(members(2), sample, OPTIONS, rates=RATES)
    second = create_train_state(Quick(), INJECTED, 1, (28, 28, 1))
    np.testing.assert_allclose(
        together.losses[1:], range_test(stack_members([second]), sample, OPTIONS, rates=RATES).losses, rtol=1e-5
    )
    assert not np.allclose(*together.losses)


def test_streamed_images_give_the_same_losses(sample):
    options = replace(OPTIONS, batch_size=100)  # the last 12 images of an epoch are left out
    resident, streamed = (range_test(members(2), data, options, rates=RATES) for data in (sample, sample.streamed()))
    np.testing.assert_array_equal(streamed.losses, resident.losses)


def test_all_rates_share_one_program(sample):
    traced = []

    def augment(key, images):
        traced.append(key)
        return images

    steps = []
    range_test(members(1), sample, replace(OPTIONS, augment=augment), rates=RATES, on_step=steps.append)
    assert steps == list(range(1, 13))
    assert len(traced) == 1


def test_the_state_stays_usable(sample):
    state = members(1)
    before = jax.tree.map(np.asarray, state.params)
    range_test(state, sample, OPTIONS, rates=RATES[:2])
    jax.tree.map(np.testing.assert_array_equal, state.params, before)


@pytest.mark.usefixtures("with_nans")
def test_it_ends_when_the_loss_of_all_members_diverges(sample):
    found = range_test(members(2), sample, OPTIONS, rates=np.geomspace(1, 1e30, 60))
    assert found.losses.shape == (2, len(found.rates))
    assert len(found.rates) < 40


def test_smoothing_is_a_weighted_mean_of_the_neighbors():
    losses = np.random.default_rng(0).uniform(1, 2, (2, 80))
    test = RangeTest(np.geomspace(1e-3, 1, 80), losses)
    for step in (0, 1, 40, 79):
        near = [(2 + 1 - abs(other - step), other) for other in range(80) if abs(other - step) <= 2]  # 80 / 40 a side
        expected = sum(weight * losses[:, other] for weight, other in near) / sum(weight for weight, _ in near)
        np.testing.assert_allclose(test.smoothed[:, step], expected)


def curve(rates, at, *, depth=1.0):
    """A loss of 2 that falls by `depth` to its lowest value at the rate `at`."""
    return 2 - depth * np.exp(-(np.log10(rates / at) ** 2))


def test_a_tenth_of_the_lowest_best_rate_is_suggested():
    rates = np.geomspace(1e-4, 10, 101)
    test = RangeTest(rates, np.stack([curve(rates, at) for at in (0.01, 0.1)]))
    np.testing.assert_allclose(test.suggestions, [0.001, 0.01])
    assert test.suggestion == pytest.approx(0.001)


def test_members_without_a_minimum_have_no_suggestion():
    rates = np.geomspace(1e-4, 10, 101)
    rising, falling = 2 + np.arange(101) / 100, 2 - np.arange(101) / 200
    test = RangeTest(rates, np.stack([rising, falling, curve(rates, 0.1, depth=0.05), curve(rates, 0.1)]))
    np.testing.assert_allclose(test.suggestions, [np.nan, np.nan, np.nan, 0.01])
    assert test.suggestion == pytest.approx(0.01)
    assert RangeTest(rates, test.losses[:3]).suggestion is None


def test_losses_after_a_divergence_are_not_used():
    rates = np.geomspace(1e-4, 10, 101)
    losses = curve(rates, 0.01)
    losses[70], losses[71:] = np.nan, 0.0
    test = RangeTest(rates, losses[None])
    assert np.isnan(test.smoothed[0, 70:]).all()
    assert test.suggestion == pytest.approx(0.001)


@pytest.mark.parametrize("rates", [[], [0.0, 0.1], [0.2, 0.1], [0.1, 0.1], [0.1, float("nan")], [0.1, float("inf")]])
def test_invalid_rates_raise(sample, rates):
    with pytest.raises(ValueError, match="expected one or more positive numbers in ascending order"):
        range_test(members(1), sample, OPTIONS, rates=rates)


def test_an_optimizer_without_its_rate_in_the_state_raises(sample):
    with pytest.raises(ValueError, match=r"optax\.inject_hyperparams"):
        range_test(members(1, optax.sgd(0.1)), sample, OPTIONS, rates=RATES)


def test_the_state_of_one_run_raises(sample):
    state = create_train_state(Quick(), INJECTED, 0, (28, 28, 1))
    with pytest.raises(ValueError, match="stack_members"):
        range_test(state, sample, OPTIONS, rates=RATES)


def test_a_member_that_is_never_finite_has_no_suggestion():
    losses = np.stack([np.full(12, np.nan), np.linspace(2, 1, 12)])
    losses[1, -1] = 3.0
    test = RangeTest(RATES, losses)
    assert np.isnan(test.smoothed[0]).all()
    assert np.isnan(test.suggestions[0])
    assert test.suggestion == test.suggestions[1]
