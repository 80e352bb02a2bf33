from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.data import Augmentation, Dataset
from jaxcnn.data.pipeline import epoch_order
from jaxcnn.models import LeNet
from jaxcnn.training import (
    ChunkResult,
    EpochResult,
    Metrics,
    create_train_state,
    evaluate,
    fit,
    fit_in_chunks,
    train_step,
)
from jaxcnn.training.state import Stream, derive_key

BATCH = 100  # 512 training images: five full batches and one of 12


@pytest.fixture(scope="module")
def start():
    return create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))


def assert_same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one.variables, other.variables)


def test_an_epoch_is_train_step_over_the_derived_order(sample: Dataset, start):
    (result,) = fit(start, sample, num_epochs=1, batch_size=BATCH)
    order = epoch_order(derive_key(start.key, Stream.ORDER, 1), 512)
    state, losses, correct = start, [], 0
    for rows in np.split(np.asarray(order), range(BATCH, 512, BATCH)):
        state, metrics = train_step(
            state, jnp.asarray(sample.train_images[rows]), jnp.asarray(sample.train_labels[rows])
        )
        losses.append(float(metrics.loss))
        correct += int(metrics.correct)
    assert len(losses) == int(result.state.step) == 6
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), result.state.params, state.params)
    assert result.train_loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert result.train_accuracy == pytest.approx(correct / 512, abs=0.01)


def test_each_step_augments_its_images_under_a_key_of_its_own(sample, start):
    options = {"augment": Augmentation(flip=True, shift=1), "label_smoothing": 0.1}
    (result,) = fit(start, sample, num_epochs=1, batch_size=BATCH, **options)
    order = np.asarray(epoch_order(derive_key(start.key, Stream.ORDER, 1), 512))
    state = start
    for step, rows in enumerate(np.split(order, range(BATCH, 512, BATCH))):
        key = derive_key(start.key, Stream.AUGMENTATION, step)
        images = options["augment"](key, jnp.asarray(sample.train_images[rows]))
        state, _ = train_step(state, images, jnp.asarray(sample.train_labels[rows]), label_smoothing=0.1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), result.state.params, state.params)


def test_the_result_does_not_depend_on_the_chunks(sample, start):
    (whole,) = fit(start, sample, num_epochs=1, batch_size=BATCH, chunk_seconds=1e9)
    (steps,) = fit(start, sample, num_epochs=1, batch_size=BATCH, chunk_seconds=0.0)
    assert_same(whole.state, steps.state)
    assert whole.train_loss == steps.train_loss


def test_chunks_tell_how_the_epoch_stands(sample, start):
    events = list(fit_in_chunks(start, sample, num_epochs=2, batch_size=BATCH, chunk_seconds=0.0))
    chunks = [event for event in events if isinstance(event, ChunkResult)]
    ends = [event for event in events if isinstance(event, EpochResult)]
    assert [(chunk.epoch, chunk.steps_done) for chunk in chunks] == [(e, s) for e in (1, 2) for s in range(1, 7)]
    assert [end.epoch for end in ends] == [1, 2]
    assert chunks[-1].train_loss == ends[-1].train_loss


def test_only_the_first_epoch_compiles(sample, start):
    jax.clear_caches()
    first, second = fit(start, sample.limit(32), num_epochs=2, batch_size=32)
    assert first.compile_seconds > 0
    assert second.compile_seconds == 0


def test_the_state_given_and_the_states_yielded_stay_usable(sample, start):
    first, second = fit(start, sample, num_epochs=2, batch_size=BATCH)
    assert [int(state.step) for state in (start, first.state, second.state)] == [0, 6, 12]


def test_epochs_in_two_calls_are_epochs_in_one(sample, start):
    *_, together = fit(start, sample, num_epochs=2, batch_size=BATCH)
    (first,) = fit(start, sample, num_epochs=1, batch_size=BATCH)
    (second,) = fit(first.state, sample, num_epochs=1, batch_size=BATCH)
    assert second.epoch == 2
    assert_same(second.state, together.state)


def after_chunk(start, sample, steps_done):
    """State and metrics in the middle of the first epoch."""
    events = fit_in_chunks(start, sample, num_epochs=1, batch_size=BATCH, chunk_steps=1)
    event = next(event for event in events if event.steps_done == steps_done)
    return jax.tree.map(jnp.copy, (event.state, event.metrics))


@pytest.mark.parametrize("steps_done", [1, 5])  # five full batches, and one of what is left over
def test_a_run_goes_on_from_the_middle_of_an_epoch(sample, start, steps_done):
    whole = list(fit(start, sample, num_epochs=2, batch_size=BATCH))
    state, metrics = after_chunk(start, sample, steps_done)
    events = fit_in_chunks(state, sample, num_epochs=2, batch_size=BATCH, metrics=metrics)
    parts = [event for event in events if isinstance(event, EpochResult)]
    for one, other in zip(whole, parts, strict=True):
        assert_same(one.state, other.state)
        assert (one.epoch, one.train_loss, one.train_accuracy) == (other.epoch, other.train_loss, other.train_accuracy)


def test_without_their_metrics_the_steps_before_are_not_in_the_figures(sample, start):
    state, metrics = after_chunk(start, sample, 5)
    (result,) = fit(state, sample, num_epochs=1, batch_size=BATCH)
    assert int(metrics.count.sum()) == 500
    assert result.train_accuracy * 12 == pytest.approx(round(result.train_accuracy * 12))


def test_chunks_are_no_longer_than_wanted(sample, start):
    events = fit_in_chunks(start, sample, num_epochs=1, batch_size=BATCH, chunk_seconds=1e9, chunk_steps=2)
    assert [event.steps_done for event in events if isinstance(event, ChunkResult)] == [1, 3, 5, 6]


def test_the_first_step_whose_loss_is_not_finite_is_named(sample):
    state = create_train_state(LeNet(), optax.sgd(1e38), jax.random.key(0), (28, 28, 1))
    events = fit_in_chunks(state, sample, num_epochs=1, batch_size=BATCH, chunk_steps=1)
    chunks = [event for event in events if isinstance(event, ChunkResult)]
    losses = chunks[-1].metrics.loss_sum
    first = int(np.flatnonzero(~np.isfinite(losses))[0]) + 1
    assert [chunk.diverged_at for chunk in chunks] == [
        chunk.steps_done if not np.isfinite(losses[chunk.steps_done - 1]) else None for chunk in chunks
    ]
    assert chunks[first - 1].diverged_at == first > 1


def test_evaluate_does_not_depend_on_the_batch_size(sample, start):
    whole, parts = (evaluate(start, sample.test_images, sample.test_labels, batch_size=size) for size in (256, 100))
    assert int(whole.count) == int(parts.count) == 256
    assert int(whole.correct) == int(parts.correct)
    assert float(whole.loss) == pytest.approx(float(parts.loss), rel=1e-5)


def test_images_are_resized_to_what_the_network_takes(sample):
    state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (32, 32, 1))
    (result,) = fit(state, sample.limit(32), num_epochs=1, batch_size=32, image_size=32)
    assert np.isfinite(result.test_loss)


def test_it_learns(sample, start):
    easy = replace(sample.limit(512), test_images=sample.train_images, test_labels=sample.train_labels)
    state = create_train_state(LeNet(), optax.adam(5e-3), jax.random.key(0), (28, 28, 1))
    *_, last = fit(state, easy, num_epochs=25, batch_size=64)
    assert last.test_accuracy > 0.6


@pytest.mark.parametrize(("num_epochs", "batch_size"), [(-1, 32), (1, 0)])
def test_counts_out_of_range_are_refused_at_once(sample, start, num_epochs, batch_size):
    with pytest.raises(ValueError, match="at least"):
        fit(start, sample, num_epochs=num_epochs, batch_size=batch_size)


def test_chunks_of_nothing_and_metrics_of_another_epoch_are_refused(sample, start):
    with pytest.raises(ValueError, match="chunks of 0 steps"):
        fit_in_chunks(start, sample, num_epochs=1, batch_size=BATCH, chunk_steps=0)
    with pytest.raises(ValueError, match=r"metrics of shape \(5,\) for an epoch of 6 steps"):
        fit_in_chunks(start, sample, num_epochs=1, batch_size=BATCH, metrics=Metrics.zeros((5,)))


def test_evaluating_nothing_is_refused(sample, start):
    with pytest.raises(ValueError, match="0 images"):
        evaluate(start, sample.test_images[:0], sample.test_labels[:0])
