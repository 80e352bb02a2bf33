import time
from dataclasses import replace
from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.data import Augmentation, Dataset
from jaxcnn.data.pipeline import epoch_order, prepare_images
from jaxcnn.models import LeNet
from jaxcnn.training import (
    ChunkResult,
    EpochResult,
    FitOptions,
    Metrics,
    create_train_state,
    eval_step,
    evaluate,
    fit,
    fit_in_chunks,
    run_epochs,
    train_step,
)
from jaxcnn.training.state import RngStream, derive_key

BATCH = 100  # 512 training images: five full batches and one of 12


@pytest.fixture(scope="module")
def start():
    return create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))


def assert_same(one, other):
    jax.tree.map(np.testing.assert_array_equal, one.variables, other.variables)


def test_an_epoch_is_train_step_over_the_derived_order(sample: Dataset, start):
    (result,) = fit(start, sample, num_epochs=1, batch_size=BATCH)
    order = epoch_order(derive_key(start.key, RngStream.ORDER, 1), 512)
    state, losses, correct = start, [], 0
    for rows in np.split(np.asarray(order), range(BATCH, 512, BATCH)):
        state, metrics = train_step(
            state, jnp.asarray(sample.train_images[rows]), jnp.asarray(sample.train_labels[rows])
        )
        losses.append(float(metrics.loss))
        correct += int(metrics.sums["accuracy"])
    assert len(losses) == int(result.state.step) == 6
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), result.state.params, state.params)
    assert result.train_loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert result.train_accuracy == pytest.approx(correct / 512, abs=0.01)


def test_each_step_augments_with_its_own_key(sample, start):
    options = {"augment": Augmentation(flip=True, shift=1), "label_smoothing": 0.1}
    (result,) = fit(start, sample, num_epochs=1, batch_size=BATCH, **options)
    order = np.asarray(epoch_order(derive_key(start.key, RngStream.ORDER, 1), 512))
    state = start
    for step, rows in enumerate(np.split(order, range(BATCH, 512, BATCH))):
        key = derive_key(start.key, RngStream.AUGMENTATION, step)
        images = options["augment"](key, jnp.asarray(sample.train_images[rows]))
        state, _ = train_step(state, images, jnp.asarray(sample.train_labels[rows]), label_smoothing=0.1)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), result.state.params, state.params)


def test_chunk_length_does_not_change_the_result(sample, start):
    (whole,) = fit(start, sample, num_epochs=1, batch_size=BATCH, chunk_seconds=1e9)
    (steps,) = fit(start, sample, num_epochs=1, batch_size=BATCH, chunk_seconds=0.0)
    assert_same(whole.state, steps.state)
    assert whole.train_loss == steps.train_loss


def test_chunks_report_the_progress_of_the_epoch(sample, start):
    events = list(fit_in_chunks(start, sample, num_epochs=2, batch_size=BATCH, chunk_seconds=0.0))
    chunks = [event for event in events if isinstance(event, ChunkResult)]
    ends = [event for event in events if isinstance(event, EpochResult)]
    assert [(chunk.epoch, chunk.steps_done) for chunk in chunks] == [(e, s) for e in (1, 2) for s in range(1, 7)]
    assert [end.epoch for end in ends] == [1, 2]
    assert chunks[-1].train_loss == ends[-1].train_loss


@pytest.fixture
def compilations():
    """The seconds of each compilation by XLA, in a list that grows."""
    seconds = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            seconds.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seconds
    jax.monitoring.unregister_event_duration_listener(listen)


def test_only_the_first_epoch_compiles(sample, start, compilations):
    jax.clear_caches()
    epochs = fit(start, sample.limit(48), num_epochs=3, batch_size=32)
    first = next(epochs)
    assert first.compile_seconds > max(compilations)
    compilations.clear()
    assert [epoch.compile_seconds for epoch in epochs] == [0, 0]
    assert compilations == []


def test_given_and_yielded_states_stay_usable(sample, start):
    first, second = fit(start, sample, num_epochs=2, batch_size=BATCH)
    assert [int(state.step) for state in (start, first.state, second.state)] == [0, 6, 12]


def test_two_calls_of_one_epoch_equal_one_call_of_two(sample, start):
    *_, together = fit(start, sample, num_epochs=2, batch_size=BATCH)
    (first,) = fit(start, sample, num_epochs=1, batch_size=BATCH)
    (second,) = fit(first.state, sample, num_epochs=1, batch_size=BATCH)
    assert second.epoch == 2
    assert_same(second.state, together.state)


def after_chunk(start, sample, steps_done):
    """State and step metrics in the middle of the first epoch."""
    events = fit_in_chunks(start, sample, num_epochs=1, batch_size=BATCH, chunk_steps=1)
    event = next(event for event in events if event.steps_done == steps_done)
    return jax.tree.map(jnp.copy, (event.state, event.step_metrics))


@pytest.mark.parametrize("steps_done", [1, 5])  # in the full batches, and before the smaller last one
def test_resume_in_the_middle_of_an_epoch_is_bit_exact(sample, start, steps_done):
    whole = list(fit(start, sample, num_epochs=2, batch_size=BATCH))
    state, metrics = after_chunk(start, sample, steps_done)
    events = fit_in_chunks(state, sample, num_epochs=2, batch_size=BATCH, step_metrics=metrics)
    parts = [event for event in events if isinstance(event, EpochResult)]
    for one, other in zip(whole, parts, strict=True):
        assert_same(one.state, other.state)
        assert (one.epoch, one.train_loss, one.train_accuracy) == (other.epoch, other.train_loss, other.train_accuracy)


def test_without_step_metrics_only_later_steps_are_counted(sample, start):
    state, metrics = after_chunk(start, sample, 5)
    (result,) = fit(state, sample, num_epochs=1, batch_size=BATCH)
    assert int(metrics.count.sum()) == 500
    assert result.train_accuracy * 12 == pytest.approx(round(result.train_accuracy * 12))


def test_chunks_have_at_most_chunk_steps(sample, start):
    events = fit_in_chunks(start, sample, num_epochs=1, batch_size=BATCH, chunk_seconds=1e9, chunk_steps=2)
    assert [event.steps_done for event in events if isinstance(event, ChunkResult)] == [1, 3, 5, 6]


def test_the_first_step_with_a_loss_that_is_not_finite_is_named(sample):
    state = create_train_state(LeNet(), optax.sgd(1e38), jax.random.key(0), (28, 28, 1))
    events = fit_in_chunks(state, sample, num_epochs=1, batch_size=BATCH, chunk_steps=1)
    chunks = [event for event in events if isinstance(event, ChunkResult)]
    losses = chunks[-1].step_metrics.sums["loss"]
    first = int(np.flatnonzero(~np.isfinite(losses))[0]) + 1
    assert [chunk.diverged_at for chunk in chunks] == [
        chunk.steps_done if not np.isfinite(losses[chunk.steps_done - 1]) else 0 for chunk in chunks
    ]
    assert chunks[first - 1].diverged_at == first > 1


def test_evaluate_does_not_depend_on_the_batch_size(sample, start):
    whole, parts = (evaluate(start, sample.test_images, sample.test_labels, batch_size=size) for size in (256, 100))
    assert int(whole.count) == int(parts.count) == 256
    assert int(whole.sums["accuracy"]) == int(parts.sums["accuracy"])
    assert float(whole.loss) == pytest.approx(float(parts.loss), rel=1e-5)


def test_images_are_resized_to_image_size(sample):
    few = sample.limit(32)
    state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (32, 32, 1))
    (result,) = fit(state, few, num_epochs=1, batch_size=32, image_size=32)
    resized = prepare_images(few.test_images, 32)
    assert result.test_loss == pytest.approx(float(eval_step(result.state, resized, few.test_labels).loss), rel=1e-5)
    assert result.train_loss == pytest.approx(
        float(train_step(state, prepare_images(few.train_images, 32), few.train_labels)[1].loss), rel=1e-5
    )


def test_it_learns(sample, start):
    easy = replace(sample.limit(512), test_images=sample.train_images, test_labels=sample.train_labels)
    state = create_train_state(LeNet(), optax.adam(5e-3), jax.random.key(0), (28, 28, 1))
    *_, last = fit(state, easy, num_epochs=25, batch_size=64)
    assert last.test_accuracy > 0.6


@pytest.mark.parametrize(("num_epochs", "batch_size"), [(-1, 32), (1, 0)])
def test_counts_out_of_range_raise_at_once(sample, start, num_epochs, batch_size):
    with pytest.raises(ValueError, match="expected"):
        fit(start, sample, num_epochs=num_epochs, batch_size=batch_size)


def test_invalid_chunk_steps_and_step_metrics_raise(sample, start):
    with pytest.raises(ValueError, match="chunk_steps 0: expected an integer, 1 or more"):
        fit_in_chunks(start, sample, num_epochs=1, batch_size=BATCH, chunk_steps=0)
    metrics = Metrics({"loss": jnp.zeros(5)}, {"loss": jnp.zeros(5, jnp.int32)})
    with pytest.raises(ValueError, match=r"step_metrics of shape \(5,\): expected \(6,\)"):
        fit_in_chunks(start, sample, num_epochs=1, batch_size=BATCH, step_metrics=metrics)


def test_options_and_keywords_are_the_same(sample, start):
    options = FitOptions(num_epochs=1, batch_size=BATCH)
    (one,), (other,) = fit(start, sample, options), fit(start, sample, num_epochs=1, batch_size=BATCH)
    (changed,) = fit(start, sample, FitOptions(num_epochs=3, batch_size=7), num_epochs=1, batch_size=BATCH)
    assert_same(one.state, other.state)
    assert_same(one.state, changed.state)
    with pytest.raises(TypeError, match="batchsize"):
        fit(start, sample, options, batchsize=3)


def margin(logits, labels):
    """Largest logit minus that of the label."""
    return logits.max(axis=-1) - jnp.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]


def test_a_further_metric_is_a_name_and_a_function(sample, start):
    events = list(fit_in_chunks(start, sample, num_epochs=1, batch_size=BATCH, metrics={"margin": margin}))
    result = events[-1]
    logits = start.apply_fn(result.state.variables, sample.test_images / 255, train=False)
    assert result.metrics["test_margin"] == pytest.approx(float(margin(logits, sample.test_labels).mean()), rel=1e-4)
    assert result.as_json()["train_margin"] > 0
    assert events[0].metrics["margin"] > 0


def test_a_further_metric_cannot_replace_a_standard_one():
    with pytest.raises(ValueError, match="metric 'loss': the name is in use"):
        FitOptions(num_epochs=1, batch_size=1, metrics={"loss": margin})


def test_top_5_accuracy_is_reported_for_more_than_five_classes(sample, start):
    (result,) = fit(start, sample, num_epochs=1, batch_size=BATCH)
    logits = np.asarray(start.apply_fn(result.state.variables, sample.test_images / 255, train=False))
    top = np.argsort(-logits, axis=-1)[:, :5]
    expected = np.mean([label in row for label, row in zip(sample.test_labels, top, strict=True)])
    assert result.metrics["test_top_5_accuracy"] == pytest.approx(expected)
    few = replace(
        sample, train_labels=sample.train_labels % 5, test_labels=sample.test_labels % 5, class_names=tuple("abcde")
    )
    state = create_train_state(LeNet(num_classes=5), optax.adam(1e-3), 0, (28, 28, 1))
    (result,) = fit(state, few, num_epochs=1, batch_size=BATCH)
    assert "test_top_5_accuracy" not in result.metrics


def test_gradient_norm_is_the_norm_of_all_gradients(sample, start):
    chunk = next(iter(fit_in_chunks(start, sample, num_epochs=1, batch_size=512)))

    def loss(params):
        logits = start.apply_fn({"params": params}, sample.train_images / 255, train=True)
        return optax.softmax_cross_entropy_with_integer_labels(logits, sample.train_labels).mean()

    expected = optax.tree.norm(jax.grad(loss)(start.params))
    assert chunk.metrics["gradient_norm"] == pytest.approx(float(expected), rel=1e-4)


def test_a_network_with_too_few_outputs_raises(sample):
    state = create_train_state(LeNet(num_classes=3), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
    with pytest.raises(ValueError, match="3 outputs for 10 classes"):
        fit(state, sample, num_epochs=1, batch_size=BATCH)


def test_a_tuple_of_arrays_is_not_a_data_set(sample, start):
    with pytest.raises(TypeError, match="dataset of type tuple: expected"):
        unwrap(run_epochs)(start, (sample.train_images, sample.train_labels), FitOptions(1, BATCH))


@pytest.mark.parametrize("streamed", [False, True])
def test_validation_images_are_evaluated_after_each_epoch(sample, start, streamed):
    divided = sample.hold_out(0.25)
    given = sample.streamed().hold_out(0.25) if streamed else divided
    (epoch,) = fit(start, given, num_epochs=1, batch_size=100)
    (expected,) = fit(start, replace(divided, val_images=None, val_labels=None), num_epochs=1, batch_size=100)
    of_val = evaluate(epoch.state, *divided.split("val")).means()
    expected_val = float(of_val["loss"]), float(of_val["accuracy"])
    assert (epoch.val_loss, epoch.val_accuracy) == pytest.approx(expected_val, rel=1e-6)
    others = {name: value for name, value in epoch.metrics.items() if not name.startswith("val_")}
    assert others == expected.metrics
    assert expected.val_loss is expected.val_accuracy is None


def test_the_time_between_chunks_is_not_that_of_the_epoch(sample, start, monkeypatch):
    now, elsewhere = time.perf_counter, [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now() + elsewhere[0])

    def slowly(events):
        for event in events:
            elsewhere[0] += 10_000.0
            yield event

    *_, epoch = slowly(fit_in_chunks(start, sample, num_epochs=1, batch_size=BATCH, chunk_steps=2))
    assert isinstance(epoch, EpochResult)
    assert epoch.seconds < 10_000
