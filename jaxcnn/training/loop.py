"""Whole passes over data that lies on the device, in compiled chunks of steps.

A chunk is one program: it gathers each step's rows, scales and resizes them and takes the step, for as many steps as it
is told. How many is an argument, not a shape, so one compilation serves every chunk length, and a chunk of no steps
compiles without training. The host waits once a chunk, which is what a progress bar costs.
"""

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int, Integer, PRNGKeyArray, Shaped

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.pipeline import epoch_order, prepare_images
from jaxcnn.training.compilation import compiled
from jaxcnn.training.results import ChunkResult, EpochResult, ReplicasChunk, ReplicasEpoch
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
    num_examples = len(dataset.train_images)
    chunk_steps = check_epochs(num_examples, num_epochs, batch_size, chunk_steps, metrics)
    programs = Programs(
        order=partial(_order_of_epoch, num_examples=num_examples),
        train_chunk=partial(
            _train_chunk,
            batch_size=batch_size,
            image_size=image_size,
            augment=augment,
            label_smoothing=label_smoothing,
        ),
        eval_chunk=partial(_eval_chunk, batch_size=batch_size, image_size=image_size),
    )
    events = run_epochs(state, dataset, programs, num_epochs, batch_size, chunk_seconds, chunk_steps, metrics)
    return (event.replica() for event in events)


def check_epochs(
    num_examples: int, num_epochs: int, batch_size: int, chunk_steps: int | None, metrics: Metrics | None
) -> int:
    """The most steps of a chunk, once it was seen that epochs of so many examples can be trained.

    Raises:
        ValueError: if they cannot.
    """
    if num_epochs < 0 or batch_size < 1:
        raise ValueError(f"{num_epochs} epochs of batches of {batch_size}: at least 0 and 1 are needed")
    if chunk_steps is not None and chunk_steps < 1:
        raise ValueError(f"chunks of {chunk_steps} steps: at least 1 is needed")
    steps = -(-num_examples // batch_size)
    if metrics is not None and metrics.count.shape[-1:] != (steps,):
        raise ValueError(
            f"metrics of shape {metrics.count.shape} for an epoch of {steps} steps: an entry a step is needed"
        )
    return chunk_steps or steps


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
    return _evaluate(state, Metrics.zeros(), jnp.asarray(images), jnp.asarray(labels), batch_size, eval_chunk)


class Programs(NamedTuple):
    """What epochs are made of: compiled for one state, or for the stacked states of several replicas.

    Attributes:
        order: of a state and the number of an epoch, the order of its examples; an order a replica.
        train_chunk: as `_train_chunk`.
        eval_chunk: as `_eval_chunk`.
        share: puts the data where the programs take it.
        spread: puts what has an entry a replica where the programs take it.
    """

    order: Callable[[TrainState, int], Int[Array, "*replicas n"]]
    train_chunk: Callable[..., tuple[TrainState, Metrics]]
    eval_chunk: Callable[..., Metrics]
    share: Callable[[np.ndarray], Array] = jnp.asarray
    spread: Callable[[Any], Any] = partial(jax.tree.map, lambda leaf: leaf)


def run_epochs(
    state: TrainState,
    dataset: Dataset,
    programs: Programs,
    num_epochs: int,
    batch_size: int,
    chunk_seconds: float,
    most_steps: int,
    metrics: Metrics | None,
) -> Iterator[ReplicasChunk | ReplicasEpoch]:
    """The loop of `fit_in_chunks`, for the state of one run or the stacked states of several replicas."""
    replicas = state.step.shape
    num_examples = len(dataset.train_images)
    spans = _spans(num_examples, batch_size)
    steps = spans[-1][1]
    images, labels = programs.share(dataset.train_images), programs.share(dataset.train_labels)
    test_images, test_labels = programs.share(dataset.test_images), programs.share(dataset.test_labels)
    # Chunks take over the memory of the state and the metrics that they are given.
    state = programs.spread(_copy(state))
    epochs_done, done = divmod(int(np.ravel(state.step)[0]), steps)
    told_from = done if metrics is None else 0
    metrics = programs.spread(Metrics.zeros((*replicas, steps)) if metrics is None else _copy(metrics))
    jax.block_until_ready(programs.order(state, 0))  # compiles, which no epoch's seconds are to hold
    first = epochs_done + 1
    for epoch in range(first, first + num_epochs):
        began = time.perf_counter()
        compile_seconds = 0.0
        order = programs.order(state, epoch)
        examples = num_examples - done * batch_size
        chunk_steps = 1
        loss = accuracy = np.full(replicas, np.nan)
        for start, stop, rows in spans:
            if epoch == first:
                compile_began = time.perf_counter()
                no_steps = programs.train_chunk(state, metrics, images, labels, order, start, start, rows=rows)
                state, metrics = jax.block_until_ready(no_steps)
                compile_seconds += time.perf_counter() - compile_began
            while done < stop:
                chunk_began = time.perf_counter()
                end = min(done + chunk_steps, stop)
                state, metrics = programs.train_chunk(state, metrics, images, labels, order, done, end, rows=rows)
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
                done = end
        train_seconds = time.perf_counter() - began - compile_seconds
        no_sums = programs.spread(Metrics.zeros(replicas))
        if epoch == first:
            compile_began = time.perf_counter()
            for _, _, rows in _spans(len(test_images), batch_size):
                jax.block_until_ready(programs.eval_chunk(state, no_sums, test_images, test_labels, 0, 0, rows=rows))
            compile_seconds += time.perf_counter() - compile_began
        tested = _evaluate(state, no_sums, test_images, test_labels, batch_size, programs.eval_chunk)
        test_loss, test_accuracy = np.asarray(tested.loss, np.float64), np.asarray(tested.accuracy, np.float64)
        yield ReplicasEpoch(
            state=_copy(state),
            epoch=epoch,
            train_loss=loss,
            train_accuracy=accuracy,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            seconds=time.perf_counter() - began - compile_seconds,
            images_per_second=examples * math.prod(replicas) / train_seconds,
            compile_seconds=compile_seconds,
        )
        done, told_from, metrics = 0, 0, programs.spread(Metrics.zeros((*replicas, steps)))


def _evaluate(
    state: TrainState,
    metrics: Metrics,
    images: Shaped[Array, "n h w c"],
    labels: Integer[Array, " n"],
    batch_size: int,
    eval_chunk: Callable[..., Metrics],
) -> Metrics:
    for start, stop, rows in _spans(len(images), batch_size):
        metrics = eval_chunk(state, metrics, images, labels, start, stop, rows=rows)
    return metrics


def _spans(num_examples: int, batch_size: int) -> list[tuple[int, int, int]]:
    """(first step, step after the last, rows a step) of the full batches and of what is left over."""
    full, rest = divmod(num_examples, batch_size)
    spans = [(0, full, batch_size), (full, full + 1, rest)]
    return [(start, stop, rows) for start, stop, rows in spans if start < stop and rows > 0]


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


def order_of_epoch(state: TrainState, epoch: int | Int[Array, ""], *, num_examples: int) -> Int[Array, " n"]:
    """The order in which a run visits the examples in an epoch, counted from 1."""
    return epoch_order(derive_key(state.key, Stream.ORDER, epoch), num_examples)


def train_steps(
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


def eval_steps(
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


_order_of_epoch = jax.jit(order_of_epoch, static_argnames="num_examples")
_train_chunk = compiled(
    static_argnames=("batch_size", "rows", "image_size", "augment", "label_smoothing"),
    donate_argnames=("state", "metrics"),
)(train_steps)
_eval_chunk = compiled(static_argnames=("batch_size", "rows", "image_size"))(eval_steps)
