"""Epochs of training and evaluation, in compiled chunks of steps. Python waits for the device once a chunk."""

import itertools
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.training import chunks
from jaxcnn.training.batches import abstract_logits
from jaxcnn.training.loaders import DeviceBlock, StepRange, make_loader, step_ranges
from jaxcnn.training.metrics import Metrics, zero_metrics
from jaxcnn.training.options import FitOptions
from jaxcnn.training.results import ChunkResult, EpochResult
from jaxcnn.training.state import TrainState

Tree = TypeVar("Tree")
Arrays = Mapping[str, np.ndarray]


def run_epochs(
    state: TrainState,
    dataset: Dataset | StreamedDataset,
    options: FitOptions,
    *,
    step_metrics: Metrics | None = None,
) -> Iterator[ChunkResult | EpochResult]:
    """`fit_in_chunks` for one run or for an ensemble, as the placement in `options` says.

    Args:
        state: of one run, as for `fit`, or the stacked states of an ensemble.
        dataset: as for `fit`.
        options: how to train.
        step_metrics: as for `fit_in_chunks`; of an ensemble, with an entry for each member and step.

    Yields:
        A `ChunkResult` a chunk, and an `EpochResult` an epoch; those of an ensemble have a leading member axis.

    Raises:
        TypeError: if `dataset` is not a data set.
        ValueError: if the state does not fit the placement, the network has fewer outputs than there are classes, or
            `step_metrics` has not an entry for each step.
    """
    if not isinstance(dataset, Dataset | StreamedDataset):
        raise TypeError(f"dataset of type {type(dataset).__name__}: expected a data.Dataset or data.StreamedDataset")
    options.placement.check_state(state)
    shape = (*state.step.shape, step_ranges(len(dataset.train), options.batch_size)[-1].stop)
    if step_metrics is not None and step_metrics.count.shape != shape:
        raise ValueError(f"step_metrics of shape {step_metrics.count.shape}: expected {shape}, an entry for each step")
    logits = abstract_logits(state, options.input_shape(dataset.image_shape))
    if logits.shape[-1] < dataset.num_classes:
        raise ValueError(
            f"a network with {logits.shape[-1]} outputs for {dataset.num_classes} classes: expected "
            f"{dataset.num_classes} or more; give the network num_classes={dataset.num_classes}"
        )
    return _run_epochs(state, dataset, options, step_metrics, logits)


def _run_epochs(
    state: TrainState,
    dataset: Dataset | StreamedDataset,
    options: FitOptions,
    step_metrics: Metrics | None,
    logits: jax.ShapeDtypeStruct,
) -> Iterator[ChunkResult | EpochResult]:
    placement, members, num_examples = options.placement, state.step.shape, len(dataset.train)
    ranges = step_ranges(num_examples, options.batch_size)
    evaluated = {name: step_ranges(len(getattr(dataset, name)), options.batch_size) for name in dataset.splits[1:]}
    steps = ranges[-1].stop
    train_chunk = partial(chunks.train_chunk, options=options.train_program)
    eval_chunk = partial(chunks.eval_chunk, options=options.eval_program)
    order_of_epoch = partial(chunks.order_of_epoch, placement=placement, num_examples=num_examples)
    loader = make_loader(dataset, options)
    state = placement.shard_state(_copy(state))  # chunks reuse the memory of the state and the metrics
    epochs_done, done = divmod(int(np.ravel(state.step)[0]), steps)
    measured_from = done if step_metrics is None else 0
    no_metrics = zero_metrics(logits, options.all_metrics, (*members, steps)).with_gradient_norm(0.0)
    no_sums = placement.shard_state(zero_metrics(logits, options.all_metrics, members))
    metrics: Metrics = placement.shard_state(_copy(step_metrics or no_metrics))
    jax.block_until_ready(order_of_epoch(state, 0))  # compiled here, outside the time of an epoch
    first = epochs_done + 1
    for epoch in range(first, first + options.num_epochs):
        began = time.perf_counter()
        compile_seconds = paused_seconds = 0.0
        blocks = loader.train(order_of_epoch(state, epoch), done)
        block = next(blocks)
        if epoch == first:
            compile_began = time.perf_counter()
            for _, _, rows in ranges:
                state, metrics = jax.block_until_ready(train_chunk(state, metrics, block, done, done, rows=rows))
            compile_seconds += time.perf_counter() - compile_began
        num_trained = num_examples - done * options.batch_size
        chunk_steps = 1
        train_metrics: dict[str, Any] = {}
        while done < steps:
            _, stop, rows = next(each for each in block.intersect(ranges) if done < each.stop)
            chunk_began = time.perf_counter()
            end = min(done + chunk_steps, stop)
            state, metrics = train_chunk(state, metrics, block, done, end, rows=rows)
            if end == block.stop:
                block = next(blocks, block)  # read while the device computes
            sums, counts = jax.device_get((metrics.sums, metrics.counts))
            train_metrics = _means(sums, counts, measured_from, end)
            seconds = time.perf_counter() - chunk_began
            paused = time.perf_counter()
            yield ChunkResult(
                epoch=epoch,
                steps_done=end,
                steps=steps,
                metrics=_means(sums, counts, done, end),
                epoch_metrics=train_metrics,
                seconds=_share(seconds, members),
                images_per_second=(end - done) * rows * math.prod(members) / seconds,
                state=state,
                step_metrics=metrics,
                diverged_at=_first_bad_step(sums["loss"], done, end),
            )
            paused_seconds += time.perf_counter() - paused
            most_steps = options.chunk_seconds * (end - done) / seconds
            chunk_steps = max(1, round(min(options.chunk_steps or steps, most_steps)))
            chunk_steps, *_ = placement.allgather(chunk_steps)
            done = end
        train_seconds = time.perf_counter() - began - compile_seconds - paused_seconds
        metrics_of_epoch = {f"train_{name}": mean for name, mean in train_metrics.items()}
        for split, ranges_of_split in evaluated.items():
            blocks = loader.evaluation(split)
            block = next(blocks)
            if epoch == first:
                compile_began = time.perf_counter()
                for _, _, rows in ranges_of_split:
                    jax.block_until_ready(eval_chunk(state, no_sums, block, 0, 0, rows=rows))
                compile_seconds += time.perf_counter() - compile_began
            sums_of_split = add_metrics(state, no_sums, itertools.chain([block], blocks), ranges_of_split, options)
            means = sums_of_split.means().items()
            metrics_of_epoch |= {f"{split}_{name}": np.asarray(mean, np.float64)[()] for name, mean in means}
        yield EpochResult(
            epoch=epoch,
            metrics=metrics_of_epoch,
            seconds=_share(time.perf_counter() - began - compile_seconds - paused_seconds, members),
            images_per_second=num_trained * math.prod(members) / train_seconds,
            compile_seconds=_share(compile_seconds, members),
            state=_copy(state),
        )
        done, measured_from, metrics = 0, 0, placement.shard_state(_copy(no_metrics))


def add_metrics(
    state: TrainState,
    metrics: Metrics,
    blocks: Iterable[DeviceBlock],
    ranges: Sequence[StepRange],
    options: FitOptions,
) -> Metrics:
    """`metrics` plus those of all `blocks`. The next block is read while the device computes."""
    for block in blocks:
        jax.block_until_ready(metrics)
        for start, stop, rows in block.intersect(ranges):
            metrics = chunks.eval_chunk(state, metrics, block, start, stop, options=options.eval_program, rows=rows)
    return metrics


def _means(sums: Arrays, counts: Arrays, start: int, stop: int) -> dict[str, Any]:
    """The metrics of steps `start` to `stop`: of the loss the mean over steps, of the others that over examples."""
    means = {}
    for name in sums:
        total, count = sums[name][..., start:stop], counts[name][..., start:stop]
        if name == "loss":
            mean = np.mean(total / count, axis=-1, dtype=np.float64)
        else:
            mean = total.sum(axis=-1) / count.sum(axis=-1)
        means[name] = np.asarray(mean, np.float64)[()]
    return means


def _first_bad_step(losses: np.ndarray, start: int, stop: int) -> Any:
    """The first of the steps `start` to `stop`, counted from 1, whose loss is not finite; 0 for none."""
    bad = ~np.isfinite(losses[..., start:stop])
    return np.where(bad.any(axis=-1), 1 + start + bad.argmax(axis=-1), 0)[()]


def _share(seconds: float, members: tuple[int, ...]) -> Any:
    """The time of each member, of all of which together it is `seconds`."""
    return np.full(members, seconds / math.prod(members))[()]


def _copy(tree: Tree) -> Tree:
    return jax.tree.map(jnp.copy, tree)
