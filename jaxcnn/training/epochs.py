"""Epochs of training and testing, in compiled chunks of steps.

The host waits once a chunk, which is what a progress bar costs.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.training import chunks
from jaxcnn.training.chunks import Augment
from jaxcnn.training.layout import ALONE, Layout
from jaxcnn.training.results import ReplicasChunk, ReplicasEpoch
from jaxcnn.training.state import TrainState
from jaxcnn.training.steps import Metrics
from jaxcnn.training.windows import Resident, Span, Streamed, Window, spans_of

Tree = TypeVar("Tree")


def run_epochs(
    state: TrainState,
    dataset: Dataset | StreamedDataset,
    *,
    num_epochs: int,
    batch_size: int,
    image_size: int | None = None,
    augment: Augment | None = None,
    label_smoothing: float = 0.0,
    chunk_seconds: float = 0.5,
    chunk_steps: int | None = None,
    metrics: Metrics | None = None,
    layout: Layout = ALONE,
) -> Iterator[ReplicasChunk | ReplicasEpoch]:
    """`fit_in_chunks` for what `layout` has: one run, or several replicas at once.

    Args:
        state: of one run, as for `fit`, or of replicas, stacked. One from the middle of an epoch goes on there.
        dataset: as for `fit`.
        num_epochs: as for `fit`.
        batch_size: examples that each run takes a step.
        image_size: as for `fit`.
        augment: as for `fit`.
        label_smoothing: as for `fit`.
        chunk_seconds: as for `fit`.
        chunk_steps: as for `fit_in_chunks`.
        metrics: as for `fit_in_chunks`; of replicas, with an entry a replica and step.
        layout: how the work is laid out.

    Yields:
        A `ReplicasChunk` a chunk, and a `ReplicasEpoch` an epoch; those of one run have no replicas' axis.

    Raises:
        ValueError: as `fit_in_chunks` does, if the state is not of what `layout` has, or if replicas cannot be dealt
            out to the devices evenly.
    """
    if layout.has_replicas != (state.step.ndim == 1):
        raise ValueError(f"a step of shape {state.step.shape} laid out {layout}: replicas are stacked, a run is not")
    if layout.has_replicas and state.step.size % len(layout.devices):
        raise ValueError(f"{state.step.size} replicas on {len(layout.devices)} devices: as many on each are needed")
    if num_epochs < 0 or batch_size < 1:
        raise ValueError(f"{num_epochs} epochs of batches of {batch_size}: at least 0 and 1 are needed")
    if chunk_steps is not None and chunk_steps < 1:
        raise ValueError(f"chunks of {chunk_steps} steps: at least 1 is needed")
    steps = spans_of(len(dataset.train), batch_size)[-1].stop
    if metrics is not None and metrics.count.shape != (*state.step.shape, steps):
        raise ValueError(
            f"metrics of shape {metrics.count.shape} for an epoch of {steps} steps: an entry a step is needed"
        )
    return _run_epochs(
        state,
        dataset,
        num_epochs=num_epochs,
        batch_size=batch_size,
        image_size=image_size,
        augment=augment,
        label_smoothing=label_smoothing,
        chunk_seconds=chunk_seconds,
        most_steps=chunk_steps or steps,
        metrics=metrics,
        layout=layout,
    )


def _run_epochs(
    state: TrainState,
    dataset: Dataset | StreamedDataset,
    *,
    num_epochs: int,
    batch_size: int,
    image_size: int | None,
    augment: Augment | None,
    label_smoothing: float,
    chunk_seconds: float,
    most_steps: int,
    metrics: Metrics | None,
    layout: Layout,
) -> Iterator[ReplicasChunk | ReplicasEpoch]:
    form: dict[str, Any] = {"layout": layout, "batch_size": batch_size, "image_size": image_size}
    train_chunk = partial(chunks.train_chunk, augment=augment, label_smoothing=label_smoothing, **form)
    eval_chunk = partial(chunks.eval_chunk, **form)
    order_of_epoch = partial(chunks.order_of_epoch, layout=layout, num_examples=len(dataset.train))
    replicas, num_examples = state.step.shape, len(dataset.train)
    spans, test_spans = spans_of(num_examples, batch_size), spans_of(len(dataset.test), batch_size)
    steps = spans[-1].stop
    if isinstance(dataset, Dataset):
        examples = Resident(dataset, layout, batch_size)
    else:
        examples = Streamed(dataset, layout, batch_size, chunk_seconds)
    # Chunks take over the memory of the state and the metrics that they are given.
    state = layout.place(_copy(state))
    epochs_done, done = divmod(int(np.ravel(state.step)[0]), steps)
    told_from = done if metrics is None else 0
    metrics = layout.place(Metrics.zeros((*replicas, steps)) if metrics is None else _copy(metrics))
    jax.block_until_ready(order_of_epoch(state, 0))  # compiles, which no epoch's seconds are to hold
    first = epochs_done + 1
    for epoch in range(first, first + num_epochs):
        began = time.perf_counter()
        compile_seconds = 0.0
        windows = examples.train(order_of_epoch(state, epoch), done)
        window = next(windows)
        if epoch == first:
            compile_began = time.perf_counter()
            for _, _, rows in spans:
                state, metrics = jax.block_until_ready(train_chunk(state, metrics, window, done, done, rows=rows))
            compile_seconds += time.perf_counter() - compile_began
        num_trained = num_examples - done * batch_size
        chunk_steps = 1
        loss = accuracy = np.full(replicas, np.nan)
        while done < steps:
            _, stop, rows = next(span for span in window.spans(spans) if done < span.stop)
            chunk_began = time.perf_counter()
            end = min(done + chunk_steps, stop)
            state, metrics = train_chunk(state, metrics, window, done, end, rows=rows)
            if end == window.stop:
                window = next(windows, window)  # which is read while the device computes
            loss, accuracy = _means(metrics, told_from, end)
            seconds = time.perf_counter() - chunk_began
            yield ReplicasChunk(
                epoch=epoch,
                steps_done=end,
                steps=steps,
                train_loss=loss,
                train_accuracy=accuracy,
                seconds=seconds,
                images_per_second=(end - done) * rows * math.prod(replicas) / seconds,
                state=state,
                metrics=metrics,
                diverged_at=_first_bad_step(metrics, done, end),
            )
            chunk_steps = max(1, round(min(most_steps, chunk_seconds * (end - done) / seconds)))
            chunk_steps, *_ = layout.of_every_host(chunk_steps)
            done = end
        train_seconds = time.perf_counter() - began - compile_seconds
        no_sums = layout.place(Metrics.zeros(replicas))
        windows = examples.test()
        window = next(windows)
        if epoch == first:
            compile_began = time.perf_counter()
            for _, _, rows in test_spans:
                jax.block_until_ready(eval_chunk(state, no_sums, window, 0, 0, rows=rows))
            compile_seconds += time.perf_counter() - compile_began
        tested = add_tests(state, no_sums, itertools.chain([window], windows), test_spans, eval_chunk)
        test_loss, test_accuracy = np.asarray(tested.loss, np.float64), np.asarray(tested.accuracy, np.float64)
        yield ReplicasEpoch(
            state=_copy(state),
            epoch=epoch,
            train_loss=loss,
            train_accuracy=accuracy,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            seconds=time.perf_counter() - began - compile_seconds,
            images_per_second=num_trained * math.prod(replicas) / train_seconds,
            compile_seconds=compile_seconds,
        )
        done, told_from, metrics = 0, 0, layout.place(Metrics.zeros((*replicas, steps)))


def add_tests(
    state: TrainState,
    metrics: Metrics,
    windows: Iterable[Window],
    spans: Sequence[Span],
    eval_chunk: Callable[..., Metrics],
) -> Metrics:
    """`metrics` plus those of all `windows`, of which one is read while the device computes that before."""
    for window in windows:
        jax.block_until_ready(metrics)
        for start, stop, rows in window.spans(spans):
            metrics = eval_chunk(state, metrics, window, start, stop, rows=rows)
    return metrics


def _means(metrics: Metrics, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Loss, as the mean over steps, and accuracy, as that over examples, of steps `start` to `stop`."""
    entries = (metrics.loss_sum, metrics.correct, metrics.count)
    loss_sum, correct, count = (np.asarray(entry)[..., start:stop] for entry in entries)
    loss, accuracy = np.mean(loss_sum / count, axis=-1, dtype=np.float64), correct.sum(axis=-1) / count.sum(axis=-1)
    return np.asarray(loss), np.asarray(accuracy)


def _first_bad_step(metrics: Metrics, start: int, stop: int) -> np.ndarray:
    """The first of the steps `start` to `stop`, counted from 1, whose loss is not finite; 0 for none."""
    bad = ~np.isfinite(np.asarray(metrics.loss_sum)[..., start:stop])
    return np.where(bad.any(axis=-1), 1 + start + bad.argmax(axis=-1), 0)


def _copy(tree: Tree) -> Tree:
    return jax.tree.map(jnp.copy, tree)
