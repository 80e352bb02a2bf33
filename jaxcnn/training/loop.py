"""Whole passes over data that lies on the device, in compiled chunks of steps.

A chunk is one program: it gathers each step's rows, scales and resizes them and takes the step, for as many steps as it
is told. How many is an argument, not a shape, so one compilation serves every chunk length, and a chunk of no steps
compiles without training. The host waits once a chunk, which is what a progress bar costs.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int, Integer, PRNGKeyArray, Shaped

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.pipeline import epoch_order, prepare_images
from jaxcnn.training.compilation import compiled
from jaxcnn.training.results import ChunkResult, EpochResult
from jaxcnn.training.state import Stream, TrainState, derive_key
from jaxcnn.training.steps import Metrics, eval_step, train_step

Tree = TypeVar("Tree")

Augment = Callable[[PRNGKeyArray, Array], Array]
"""Changes the images of a step, (N, H, W, C), as a key has it."""


def fit(
    state: TrainState,
    dataset: Dataset,
    *,
    num_epochs: int,
    batch_size: int,
    image_size: int | None = None,
    augment: Augment | None = None,
    label_smoothing: float = 0.0,
    chunk_seconds: float = 0.5,
) -> Iterator[EpochResult]:
    """Train for `num_epochs` epochs and test after each.

    Every epoch visits all the examples in a new order, a function of the state's key and the epoch's number alone; the
    last batch holds what is left over.

    Args:
        state: where to begin. It stays usable; epochs are counted on from its step.
        dataset: the images and labels, moved to the device once.
        num_epochs: how many epochs to train.
        batch_size: examples a step.
        image_size: height and width that the network takes; None for that of the images.
        augment: called with a key and the images of a step, as they are in `dataset`, gives those to train on. It is
            traced, and compiled anew for another that is not equal; `data.Augmentation` is one.
        label_smoothing: as for `train_step`.
        chunk_seconds: about how long the device works between two returns to the host, which is how soon a keyboard
            interrupt is seen.

    Yields:
        One `EpochResult` an epoch.

    Raises:
        ValueError: if `num_epochs` is negative, or `batch_size` is below 1.
    """
    events = fit_in_chunks(
        state,
        dataset,
        num_epochs=num_epochs,
        batch_size=batch_size,
        image_size=image_size,
        augment=augment,
        label_smoothing=label_smoothing,
        chunk_seconds=chunk_seconds,
    )
    return (event for event in events if isinstance(event, EpochResult))


def fit_in_chunks(
    state: TrainState,
    dataset: Dataset,
    *,
    num_epochs: int,
    batch_size: int,
    image_size: int | None = None,
    augment: Augment | None = None,
    label_smoothing: float = 0.0,
    chunk_seconds: float = 0.5,
    chunk_steps: int | None = None,
    metrics: Metrics | None = None,
) -> Iterator[ChunkResult | EpochResult]:
    """`fit`, telling also how each chunk went: the chunks of an epoch come before its `EpochResult`.

    Chunks change when the host looks, never what is computed. From the state and the metrics of any `ChunkResult` a run
    goes on as if it had never stopped.

    Args:
        state: as for `fit`. One from the middle of an epoch goes on there; that epoch is the first.
        dataset: as for `fit`.
        num_epochs: as for `fit`.
        batch_size: as for `fit`.
        image_size: as for `fit`.
        augment: as for `fit`.
        label_smoothing: as for `fit`.
        chunk_seconds: as for `fit`.
        chunk_steps: most steps of a chunk; None for as many as `chunk_seconds` take.
        metrics: what the steps of an epoch in progress gave. Without, its figures are those of the steps to come.

    Yields:
        A `ChunkResult` a chunk, and an `EpochResult` an epoch.

    Raises:
        ValueError: if `num_epochs` is negative, `batch_size` or `chunk_steps` is below 1, or `metrics` has not an entry
            a step.
    """
    if num_epochs < 0 or batch_size < 1:
        raise ValueError(f"{num_epochs} epochs of batches of {batch_size}: at least 0 and 1 are needed")
    if chunk_steps is not None and chunk_steps < 1:
        raise ValueError(f"chunks of {chunk_steps} steps: at least 1 is needed")
    steps = -(-len(dataset.train_images) // batch_size)
    if metrics is not None and metrics.count.shape != (steps,):
        raise ValueError(
            f"metrics of shape {metrics.count.shape} for an epoch of {steps} steps: an entry a step is needed"
        )
    train_chunk = partial(
        _train_chunk,
        batch_size=batch_size,
        image_size=image_size,
        augment=augment,
        label_smoothing=label_smoothing,
    )
    eval_chunk = partial(_eval_chunk, batch_size=batch_size, image_size=image_size)
    return _epochs(
        state, dataset, num_epochs, batch_size, chunk_seconds, chunk_steps or steps, metrics, train_chunk, eval_chunk
    )


def evaluate(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    labels: Integer[Array | np.ndarray, " n"],
    *,
    batch_size: int = 256,
    image_size: int | None = None,
) -> Metrics:
    """The metrics of all of `images`, in batches.

    Args:
        state: the state to evaluate.
        images: (N, H, W, C), uint8 or floats in [0, 1], of any size.
        labels: (N,), integers.
        batch_size: examples a step; it bounds the memory and changes nothing else.
        image_size: height and width that the network takes; None for that of the images.

    Returns:
        The sums over all the examples.

    Raises:
        ValueError: if there are no images, or `batch_size` is below 1.
    """
    if batch_size < 1 or len(images) < 1:
        raise ValueError(f"{len(images)} images in batches of {batch_size}: at least 1 of each is needed")
    eval_chunk = partial(_eval_chunk, batch_size=batch_size, image_size=image_size)
    return _evaluate(state, jnp.asarray(images), jnp.asarray(labels), batch_size, eval_chunk)


def _epochs(
    state: TrainState,
    dataset: Dataset,
    num_epochs: int,
    batch_size: int,
    chunk_seconds: float,
    most_steps: int,
    metrics: Metrics | None,
    train_chunk: Callable[..., tuple[TrainState, Metrics]],
    eval_chunk: Callable[..., Metrics],
) -> Iterator[ChunkResult | EpochResult]:
    num_examples = len(dataset.train_images)
    spans = _spans(num_examples, batch_size)
    steps = spans[-1][1]
    images, labels = jnp.asarray(dataset.train_images), jnp.asarray(dataset.train_labels)
    test_images, test_labels = jnp.asarray(dataset.test_images), jnp.asarray(dataset.test_labels)
    state = _copy(state)  # chunks take over the memory of the state and the metrics that they are given
    epochs_done, done = divmod(int(state.step), steps)
    told_from = done if metrics is None else 0
    metrics = Metrics.zeros((steps,)) if metrics is None else _copy(metrics)
    jax.block_until_ready(_order(state.key, num_examples))  # compiles, which no epoch's seconds are to hold
    first = epochs_done + 1
    for epoch in range(first, first + num_epochs):
        began = time.perf_counter()
        compile_seconds = 0.0
        order = _order(derive_key(state.key, Stream.ORDER, epoch), num_examples)
        examples = num_examples - done * batch_size
        chunk_steps = 1
        loss = accuracy = float("nan")
        for start, stop, rows in spans:
            if epoch == first:
                compile_began = time.perf_counter()
                no_steps = train_chunk(state, metrics, images, labels, order, start, start, rows=rows)
                state, metrics = jax.block_until_ready(no_steps)
                compile_seconds += time.perf_counter() - compile_began
            while done < stop:
                chunk_began = time.perf_counter()
                end = min(done + chunk_steps, stop)
                state, metrics = train_chunk(state, metrics, images, labels, order, done, end, rows=rows)
                loss, accuracy = _means(metrics, told_from, end)
                seconds = time.perf_counter() - chunk_began
                rate = (end - done) * rows / seconds
                bad_steps = 1 + done + np.flatnonzero(~np.isfinite(np.asarray(metrics.loss_sum)[done:end]))
                yield ChunkResult(
                    epoch=epoch,
                    steps_done=end,
                    steps=steps,
                    train_loss=loss,
                    train_accuracy=accuracy,
                    seconds=seconds,
                    images_per_second=rate,
                    state=state,
                    metrics=metrics,
                    diverged_at=int(bad_steps[0]) if len(bad_steps) else None,
                )
                chunk_steps = max(1, round(min(most_steps, chunk_seconds * rate / rows)))
                done = end
        train_seconds = time.perf_counter() - began - compile_seconds
        if epoch == first:
            compile_began = time.perf_counter()
            for _, _, rows in _spans(len(test_images), batch_size):
                jax.block_until_ready(eval_chunk(state, Metrics.zeros(), test_images, test_labels, 0, 0, rows=rows))
            compile_seconds += time.perf_counter() - compile_began
        tested = _evaluate(state, test_images, test_labels, batch_size, eval_chunk)
        test_loss, test_accuracy = float(tested.loss), float(tested.accuracy)
        yield EpochResult(
            state=_copy(state),
            epoch=epoch,
            train_loss=loss,
            train_accuracy=accuracy,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            seconds=time.perf_counter() - began - compile_seconds,
            images_per_second=examples / train_seconds,
            compile_seconds=compile_seconds,
        )
        done, told_from, metrics = 0, 0, Metrics.zeros((steps,))


def _evaluate(
    state: TrainState,
    images: Shaped[Array, "n h w c"],
    labels: Integer[Array, " n"],
    batch_size: int,
    eval_chunk: Callable[..., Metrics],
) -> Metrics:
    metrics = Metrics.zeros()
    for start, stop, rows in _spans(len(images), batch_size):
        metrics = eval_chunk(state, metrics, images, labels, start, stop, rows=rows)
    return metrics


def _spans(num_examples: int, batch_size: int) -> list[tuple[int, int, int]]:
    """(first step, step after the last, rows a step) of the full batches and of what is left over."""
    full, rest = divmod(num_examples, batch_size)
    spans = [(0, full, batch_size), (full, full + 1, rest)]
    return [(start, stop, rows) for start, stop, rows in spans if start < stop and rows > 0]


def _means(metrics: Metrics, start: int, stop: int) -> tuple[float, float]:
    """Loss, as the mean over steps, and accuracy, as that over examples, of steps `start` to `stop`."""
    entries = (metrics.loss_sum, metrics.correct, metrics.count)
    loss_sum, correct, count = (np.asarray(entry)[start:stop] for entry in entries)
    return float(np.mean(loss_sum / count, dtype=np.float64)), float(correct.sum() / count.sum())


def _copy(tree: Tree) -> Tree:
    return jax.tree.map(jnp.copy, tree)


_order = jax.jit(epoch_order, static_argnums=1)


@compiled(
    static_argnames=("batch_size", "rows", "image_size", "augment", "label_smoothing"),
    donate_argnames=("state", "metrics"),
)
def _train_chunk(
    state: TrainState,
    metrics: Metrics,
    images: Shaped[Array, "n h w c"],
    labels: Integer[Array, " n"],
    order: Int[Array, " n"],
    start: int | Int[Array, ""],
    stop: int | Int[Array, ""],
    *,
    batch_size: int,
    rows: int,
    image_size: int | None,
    augment: Augment | None,
    label_smoothing: float,
) -> tuple[TrainState, Metrics]:
    """Steps `start` to `stop` of an epoch; step i takes `rows` examples from place i * batch_size of `order`."""

    def step(i: Int[Array, ""], carry: tuple[TrainState, Metrics]) -> tuple[TrainState, Metrics]:
        state, metrics = carry
        chosen = lax.dynamic_slice_in_dim(order, i * batch_size, rows)
        batch = images[chosen]
        if augment is not None:
            batch = augment(derive_key(state.key, Stream.AUGMENTATION, state.step), batch)
        state, of_step = train_step(
            state, prepare_images(batch, image_size), labels[chosen], label_smoothing=label_smoothing
        )
        return state, jax.tree.map(lambda entries, entry: entries.at[i].set(entry), metrics, of_step)

    return lax.fori_loop(start, stop, step, (state, metrics))


@compiled(static_argnames=("batch_size", "rows", "image_size"))
def _eval_chunk(
    state: TrainState,
    metrics: Metrics,
    images: Shaped[Array, "n h w c"],
    labels: Integer[Array, " n"],
    start: int | Int[Array, ""],
    stop: int | Int[Array, ""],
    *,
    batch_size: int,
    rows: int,
    image_size: int | None,
) -> Metrics:
    """`metrics` plus those of batches `start` to `stop`; batch i is `rows` examples from place i * batch_size."""

    def step(i: Int[Array, ""], metrics: Metrics) -> Metrics:
        batch = lax.dynamic_slice_in_dim(images, i * batch_size, rows)
        of_batch = lax.dynamic_slice_in_dim(labels, i * batch_size, rows)
        return metrics + eval_step(state, prepare_images(batch, image_size), of_batch)

    return lax.fori_loop(start, stop, step, metrics)
