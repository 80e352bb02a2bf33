"""What is streamed to the device gives what lies there gives, bit for bit."""

import time
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from networks import Small

from jaxcnn.data import Augmentation, StoredSource, data_sources
from jaxcnn.training import (
    ALONE,
    ChunkResult,
    EpochResult,
    Layout,
    create_train_state,
    fit,
    fit_in_chunks,
    fit_replicas,
    stack_replicas,
    windows,
)
from jaxcnn.training.windows import Resident, Streamed, spans_of

CPUS = tuple(jax.devices("cpu"))
BATCH = 100  # 512 training images: five full batches and one of 12
OF_STEP = BATCH * 28 * 28
OPTIONS = {"num_epochs": 2, "batch_size": BATCH, "augment": Augmentation(shift=1)}
OPTIMIZER = optax.sgd(0.1, momentum=0.9)


def starts(count):
    return [create_train_state(Small(), OPTIMIZER, jax.random.key(seed), (28, 28, 1)) for seed in range(count)]


@pytest.fixture(scope="module")
def resident(sample):
    return list(fit(starts(1)[0], sample, **OPTIONS))


def assert_same(epochs, expected):
    for epoch, due in zip(epochs, expected, strict=True):
        for name in ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            np.testing.assert_array_equal(getattr(epoch, name), getattr(due, name))
        jax.tree.map(np.testing.assert_array_equal, epoch.state.variables, due.state.variables)


@pytest.mark.parametrize("steps", [0.5, 2, 100])
def test_a_run_is_the_same_whatever_fits_into_a_window(sample, resident, monkeypatch, steps):
    monkeypatch.setattr(windows, "WINDOW_BYTES", int(steps * OF_STEP))
    assert_same(fit(starts(1)[0], sample.streamed(), **OPTIONS), resident)


@pytest.mark.parametrize("layout", [Layout("in turn", CPUS[:2]), Layout("together", CPUS[:1])], ids=str)
def test_replicas_are_the_same(sample, monkeypatch, layout):
    """Each has an order of its own, so a window has the examples of all of them."""
    monkeypatch.setattr(windows, "WINDOW_BYTES", 2 * 4 * OF_STEP)
    state = stack_replicas(starts(4))
    epochs = fit_replicas(state, sample.streamed(), layout=layout, **OPTIONS)
    assert_same(epochs, fit_replicas(state, sample, layout=layout, **OPTIONS))


def test_a_run_that_several_devices_share_is_the_same(sample, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_BYTES", 2 * OF_STEP)
    layout = Layout("split", CPUS[:4])
    (state,) = starts(1)
    assert_same(fit(state, sample.streamed(), layout=layout, **OPTIONS), fit(state, sample, layout=layout, **OPTIONS))


@pytest.mark.parametrize("steps_done", [3, 5])
def test_a_stream_is_gone_on_with_from_the_middle_of_an_epoch(sample, resident, monkeypatch, steps_done):
    """From its state and metrics alone, though windows begin at other steps then; resident or streamed."""
    monkeypatch.setattr(windows, "WINDOW_BYTES", 2 * OF_STEP)
    for before, after in (
        (sample.streamed(), sample.streamed()),
        (sample, sample.streamed()),
        (sample.streamed(), sample),
    ):
        for event in fit_in_chunks(starts(1)[0], before, chunk_steps=1, **OPTIONS):
            if event.steps_done == steps_done:
                break
        state, metrics = jax.tree.map(jnp.copy, (event.state, event.metrics))
        events = fit_in_chunks(state, after, metrics=metrics, **OPTIONS)
        assert_same([event for event in events if isinstance(event, EpochResult)], resident)


def test_chunks_end_with_their_window(sample, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_BYTES", 2 * OF_STEP)
    events = fit_in_chunks(starts(1)[0], sample.streamed(), num_epochs=1, batch_size=BATCH, chunk_seconds=1e9)
    assert [event.steps_done for event in events if isinstance(event, ChunkResult)] == [1, 2, 4, 5, 6]


def test_only_the_first_epoch_compiles(sample, monkeypatch, caplog):
    """Windows have one shape, the last and shorter one of an epoch too."""
    monkeypatch.setattr(windows, "WINDOW_BYTES", 4 * OF_STEP)
    jax.clear_caches()
    with jax.log_compiles():
        epochs = fit(starts(1)[0], sample.streamed(), num_epochs=3, batch_size=BATCH)
        for _ in range(2):
            next(epochs)
        assert "train_chunk" in caplog.text
        caplog.clear()
        next(epochs)
    assert "Compiling" not in caplog.text


def test_no_more_is_read_than_a_window_ahead(sample, monkeypatch):
    """So that a data set of any size takes the memory of a few windows."""
    monkeypatch.setattr(windows, "WINDOW_BYTES", 2 * OF_STEP)
    monkeypatch.setattr(data_sources, "_num_cores", lambda: 1)
    read = []

    def fetch(places):
        read.append(len(places))
        return sample.train_images[places], sample.train_labels[places]

    dataset = replace(sample.streamed(), train=StoredSource(512, fetch))
    stream = Streamed(dataset, ALONE, 50, 1e9).train(jnp.arange(512), 0)
    shapes = []
    for number, window in enumerate(stream, start=1):
        assert sum(read) <= 200 * number + 200
        assert (window.first, window.stop) == (4 * (number - 1), min(4 * number, 11))
        shapes.append(window.images.shape)
    assert shapes == [(200, 28, 28, 1)] * 3
    assert sum(read) == 512


def test_a_window_is_no_longer_than_its_reading_may_take(sample):
    """So that a chunk, after which a signal is seen, does not wait for a window of images that are slow to read."""

    class Slow:
        """Examples of which a batch takes a fifth of a second."""

        def __len__(self):
            return 512

        def batches(self, indices, *, prefetch):
            for batch in sample.train.batches(indices, prefetch=prefetch):
                time.sleep(0.2)
                yield batch

        def limit(self, count):  # noqa: ARG002
            return self

    stream = Streamed(replace(sample.streamed(), train=Slow()), ALONE, 50, 0.3).train(jnp.arange(512), 0)
    found = list(stream)
    assert [window.stop - window.first for window in found] == [2] * 5 + [1]
    assert len({window.images.shape for window in found}) == 1


def test_a_batch_of_more_than_there_are_takes_no_more_memory_than_they_do(sample):
    huge = 2**31 - 1
    window = next(Streamed(sample.limit(8).streamed(), ALONE, huge, 1e9).train(jnp.arange(8), 0))
    assert window.images.shape == (8, 28, 28, 1)
    (epoch,) = fit(starts(1)[0], sample.limit(8).streamed(), num_epochs=1, batch_size=huge)
    assert_same([epoch], fit(starts(1)[0], sample.limit(8), num_epochs=1, batch_size=huge))


def test_a_window_of_all_and_of_some_hold_the_examples_of_each_step(sample, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_BYTES", 4 * OF_STEP)
    orders = jnp.asarray(np.random.default_rng(0).permuted(np.tile(np.arange(512), (2, 1)), axis=1), jnp.int32)
    layout = Layout("in turn", CPUS[:1])
    kinds = Resident(sample, layout, BATCH), Streamed(sample.streamed(), layout, BATCH, 1e9)
    for kind in kinds:
        seen = np.full((2, 512), -1)
        for window in kind.train(orders, 0):
            for start, stop, rows in window.spans(spans_of(512, BATCH)):
                for step in range(start, stop):
                    places = np.asarray(window.order)[:, (step - window.first) * BATCH :][:, :rows]
                    seen[:, step * BATCH : step * BATCH + rows] = np.asarray(window.labels)[places]
        np.testing.assert_array_equal(seen, sample.train_labels[np.asarray(orders)])
