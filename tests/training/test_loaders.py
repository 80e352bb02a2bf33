"""Streamed examples give the same results as resident ones, bit for bit."""

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
    ChunkResult,
    EpochResult,
    FitOptions,
    Placement,
    create_train_state,
    fit,
    fit_ensemble,
    fit_in_chunks,
    loaders,
    stack_members,
)
from jaxcnn.training.loaders import ResidentLoader, StreamingLoader, step_ranges

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
def test_block_size_does_not_change_a_run(sample, resident, monkeypatch, steps):
    monkeypatch.setattr(loaders, "BLOCK_BYTES", int(steps * OF_STEP))
    assert_same(fit(starts(1)[0], sample.streamed(), **OPTIONS), resident)


@pytest.mark.parametrize("placement", [Placement("sequential", CPUS[:2]), Placement("vmap", CPUS[:1])], ids=str)
def test_block_size_does_not_change_an_ensemble(sample, monkeypatch, placement):
    """A block has the examples of all members, each of which has its own order."""
    monkeypatch.setattr(loaders, "BLOCK_BYTES", 2 * 4 * OF_STEP)
    state = stack_members(starts(4))
    epochs = fit_ensemble(state, sample.streamed(), placement=placement, **OPTIONS)
    assert_same(epochs, fit_ensemble(state, sample, placement=placement, **OPTIONS))


def test_streaming_does_not_change_a_data_parallel_run(sample, monkeypatch):
    monkeypatch.setattr(loaders, "BLOCK_BYTES", 2 * OF_STEP)
    placement = Placement("data_parallel", CPUS[:4])
    (state,) = starts(1)
    assert_same(
        fit(state, sample.streamed(), placement=placement, **OPTIONS),
        fit(state, sample, placement=placement, **OPTIONS),
    )


@pytest.mark.parametrize("steps_done", [3, 5])
def test_a_stream_resumes_in_the_middle_of_an_epoch(sample, resident, monkeypatch, steps_done):
    """State and metrics are enough, though blocks begin at other steps then; resident or streamed."""
    monkeypatch.setattr(loaders, "BLOCK_BYTES", 2 * OF_STEP)
    for before, after in (
        (sample.streamed(), sample.streamed()),
        (sample, sample.streamed()),
        (sample.streamed(), sample),
    ):
        for event in fit_in_chunks(starts(1)[0], before, chunk_steps=1, **OPTIONS):
            if event.steps_done == steps_done:
                break
        state, metrics = jax.tree.map(jnp.copy, (event.state, event.step_metrics))
        events = fit_in_chunks(state, after, step_metrics=metrics, **OPTIONS)
        assert_same([event for event in events if isinstance(event, EpochResult)], resident)


def test_chunks_end_with_their_block(sample, monkeypatch):
    monkeypatch.setattr(loaders, "BLOCK_BYTES", 2 * OF_STEP)
    events = fit_in_chunks(starts(1)[0], sample.streamed(), num_epochs=1, batch_size=BATCH, chunk_seconds=1e9)
    assert [event.steps_done for event in events if isinstance(event, ChunkResult)] == [1, 2, 4, 5, 6]


def test_only_the_first_epoch_compiles(sample, monkeypatch, caplog):
    """All blocks have one shape, with the shorter last one of an epoch."""
    monkeypatch.setattr(loaders, "BLOCK_BYTES", 4 * OF_STEP)
    jax.clear_caches()
    with jax.log_compiles():
        epochs = fit(starts(1)[0], sample.streamed(), num_epochs=3, batch_size=BATCH)
        for _ in range(2):
            next(epochs)
        assert "train_chunk" in caplog.text
        caplog.clear()
        next(epochs)
    assert "Compiling" not in caplog.text


def test_at_most_one_block_is_read_ahead(sample, monkeypatch):
    """A data set of any size takes the memory of a few blocks."""
    monkeypatch.setattr(loaders, "BLOCK_BYTES", 2 * OF_STEP)
    monkeypatch.setattr(data_sources, "_num_cores", lambda: 1)
    read = []

    def fetch(places):
        read.append(len(places))
        return sample.train_images[places], sample.train_labels[places]

    dataset = replace(sample.streamed(), train=StoredSource(512, fetch))
    stream = StreamingLoader(dataset, FitOptions(1, 50, chunk_seconds=1e9)).train(jnp.arange(512), 0)
    shapes = []
    for number, block in enumerate(stream, start=1):
        assert sum(read) <= 200 * number + 200
        assert (block.first, block.stop) == (4 * (number - 1), min(4 * number, 11))
        shapes.append(block.images.shape)
    assert shapes == [(200, 28, 28, 1)] * 3
    assert sum(read) == 512


def test_a_block_is_filled_for_at_most_chunk_seconds(sample):
    """A signal is seen after a chunk, which must not wait for images that are slow to read."""

    class Slow:
        """Examples that take a fifth of a second a batch."""

        def __len__(self):
            return 512

        def batches(self, indices, *, prefetch):
            for batch in sample.train.batches(indices, prefetch=prefetch):
                time.sleep(0.2)
                yield batch

        def limit(self, count):  # noqa: ARG002
            return self

        def read_labels(self):
            return sample.train_labels

    stream = StreamingLoader(replace(sample.streamed(), train=Slow()), FitOptions(1, 50, chunk_seconds=0.3)).train(
        jnp.arange(512), 0
    )
    found = list(stream)
    assert [block.stop - block.first for block in found] == [2] * 5 + [1]
    assert len({block.images.shape for block in found}) == 1


def test_memory_is_limited_by_the_examples_not_the_batch_size(sample):
    huge = 2**31 - 1
    block = next(
        StreamingLoader(sample.limit(8).streamed(), FitOptions(1, huge, chunk_seconds=1e9)).train(jnp.arange(8), 0)
    )
    assert block.images.shape == (8, 28, 28, 1)
    (epoch,) = fit(starts(1)[0], sample.limit(8).streamed(), num_epochs=1, batch_size=huge)
    assert_same([epoch], fit(starts(1)[0], sample.limit(8), num_epochs=1, batch_size=huge))


def test_both_loaders_give_the_examples_of_each_step(sample, monkeypatch):
    monkeypatch.setattr(loaders, "BLOCK_BYTES", 4 * OF_STEP)
    orders = jnp.asarray(np.random.default_rng(0).permuted(np.tile(np.arange(512), (2, 1)), axis=1), jnp.int32)
    placement = Placement("sequential", CPUS[:1])
    options = FitOptions(1, BATCH, chunk_seconds=1e9, placement=placement)
    kinds = ResidentLoader(sample, options), StreamingLoader(sample.streamed(), options)
    for kind in kinds:
        seen = np.full((2, 512), -1)
        for block in kind.train(orders, 0):
            for start, stop, rows in block.intersect(step_ranges(512, BATCH)):
                for step in range(start, stop):
                    places = np.asarray(block.order)[:, (step - block.first) * BATCH :][:, :rows]
                    seen[:, step * BATCH : step * BATCH + rows] = np.asarray(block.labels)[places]
        np.testing.assert_array_equal(seen, sample.train_labels[np.asarray(orders)])
