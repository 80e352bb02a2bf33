import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from networks import Small

from jaxcnn.data import Augmentation, CutMix, Mixup, OneOf
from jaxcnn.training import (
    ChunkResult,
    EpochResult,
    FitOptions,
    Placement,
    create_train_state,
    fit,
    fit_ensemble,
    run_epochs,
    stack_members,
)

CPUS = tuple(jax.devices("cpu"))
SEQUENTIAL = Placement("sequential", CPUS[:1])
OPTIONS = {
    "num_epochs": 2, "batch_size": 100, "augment": Augmentation(shift=1), "mixing": OneOf(Mixup(0.2), CutMix(1.0)),
    "label_smoothing": 0.1, "class_weights": (2.0, *[1.0] * 9),
}  # fmt: skip
OPTIMIZER = optax.sgd(0.1, momentum=0.9)  # Adam would enlarge gradients that are rounding alone


def starts(count):
    return [create_train_state(Small(), OPTIMIZER, jax.random.key(seed), (28, 28, 1)) for seed in range(count)]


@pytest.fixture(scope="module")
def single_runs(sample):
    """The epochs of four single runs."""
    return [list(fit(state, sample, **OPTIONS)) for state in starts(4)]


@pytest.mark.parametrize(
    ("kind", "devices", "tolerance"),
    [("sequential", 1, 0), ("sequential", 2, 0), ("vmap", 1, 1e-5), ("vmap", 4, 1e-5)],
)
def test_each_member_is_the_run_of_its_seed(sample, single_runs, kind, devices, tolerance):
    placement = Placement(kind, CPUS[:devices])
    epochs = list(fit_ensemble(stack_members(starts(4)), sample, placement=placement, **OPTIONS))
    for member, alone in enumerate(single_runs):
        for epoch, expected in zip(epochs, alone, strict=True):
            found = epoch.member(member)
            assert found.epoch == expected.epoch
            for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
                assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-4 if tolerance else 1e-12)
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=tolerance),
                found.state.variables,
                expected.state.variables,
            )


def test_an_ensemble_resumes_from_any_chunk(sample):
    state = stack_members(starts(2))
    *_, whole = fit_ensemble(state, sample, **OPTIONS)
    for event in run_epochs(state, sample, FitOptions(chunk_steps=1, placement=SEQUENTIAL, **OPTIONS)):
        if isinstance(event, ChunkResult) and event.steps_done == 4:
            break
    assert event.train_loss.shape == (2,)
    assert event.member(1).train_loss == event.train_loss[1]
    assert event.member(0).diverged_at == 0
    kept, metrics = jax.tree.map(jnp.copy, (event.state, event.step_metrics))
    *_, resumed = run_epochs(kept, sample, FitOptions(placement=SEQUENTIAL, **OPTIONS), step_metrics=metrics)
    jax.tree.map(np.testing.assert_array_equal, resumed.state.variables, whole.state.variables)
    np.testing.assert_array_equal(resumed.train_loss, whole.train_loss)


@pytest.mark.usefixtures("with_nans")
def test_the_member_that_diverged_is_named(sample):
    good, bad = starts(2)
    bad = bad.replace(params=jax.tree.map(lambda leaf: leaf * np.nan, bad.params))
    chunk = next(iter(run_epochs(stack_members([good, bad]), sample, FitOptions(placement=SEQUENTIAL, **OPTIONS))))
    assert [chunk.member(index).diverged_at for index in range(2)] == [0, 1]


def test_each_member_has_its_share_of_the_time(sample):
    began = time.perf_counter()
    epoch = next(iter(fit_ensemble(stack_members(starts(2)), sample, **OPTIONS)))
    assert epoch.member(0).seconds == epoch.member(1).seconds
    assert 0 < 2 * epoch.member(0).seconds < time.perf_counter() - began


def test_states_that_differ_in_network_or_step_raise(sample):
    one, other = starts(2)
    with pytest.raises(ValueError, match="no states: expected one or more"):
        stack_members([])
    with pytest.raises(ValueError, match="different networks or optimizers"):
        stack_members([one, other.replace(tx=optax.sgd(0.1))])
    with pytest.raises(ValueError, match="steps 0 and 3: expected the same step"):
        stack_members([one, other.replace(step=jnp.int32(3))])
    with pytest.raises(ValueError, match=r"EMA decays None and 0\.9: expected the same"):
        stack_members([one, other.with_ema(0.9)])
    with pytest.raises(ValueError, match="2 members on 3 devices"):
        fit_ensemble(stack_members([one, other]), sample, placement=Placement("sequential", CPUS[:3]), **OPTIONS)


def test_a_result_of_a_member_is_taken_from_the_stacked_one():
    states = starts(2)
    taken = EpochResult(1, {}, np.ones(2), 1.0, np.ones(2), stack_members(states)).member(1).state
    jax.tree.map(np.testing.assert_array_equal, taken.params, states[1].params)
    assert taken.key == states[1].key
