"""The compiled programs of training: chunks of the steps of an epoch.

A chunk is one program. For each step it gathers the examples, scales and resizes them and takes the step. The number of
steps is an argument, not a shape, so one compilation serves every length, and a chunk of no steps compiles without
training.
"""

from functools import partial

import jax
from jax import lax
from jaxtyping import Array, Int

from jaxcnn.data.pipeline import epoch_order, prepare_images
from jaxcnn.training.compilation import compiled
from jaxcnn.training.loaders import DeviceBlock
from jaxcnn.training.metrics import Metrics
from jaxcnn.training.options import FitOptions
from jaxcnn.training.placement import Placement
from jaxcnn.training.state import RngStream, TrainState, derive_key
from jaxcnn.training.steps import eval_step, train_step


@partial(jax.jit, static_argnames=("placement", "num_examples"))
def order_of_epoch(
    state: TrainState, epoch: int | Int[Array, ""], *, placement: Placement, num_examples: int
) -> Int[Array, "*members n"]:
    """The order of the examples in an epoch, counted from 1, for a run or each member of an ensemble."""

    def of_one(state: TrainState, epoch: Int[Array, ""]) -> Int[Array, " n"]:
        return epoch_order(derive_key(state.key, RngStream.ORDER, epoch), num_examples)

    return placement.map_over_members(of_one)((state,), (epoch,))


@compiled(static_argnames=("options", "rows"), donate_argnames=("state", "metrics"))
def train_chunk(
    state: TrainState,
    metrics: Metrics,
    block: DeviceBlock,
    start: int | Int[Array, ""],
    stop: int | Int[Array, ""],
    *,
    options: FitOptions,
    rows: int,
) -> tuple[TrainState, Metrics]:
    """Steps `start` to `stop` of an epoch, with `rows` examples each, all of them in `block`.

    Args:
        state: the state before, whose memory is reused; so is that of `metrics`.
        metrics: an entry for each step of the epoch.
        block: the examples.
        start: the first step.
        stop: the step after the last.
        options: the `train_program` of the options.
        rows: examples of each step.
    """
    placement = options.placement

    def of_one(state, metrics, order, images, labels, first, start, stop):
        def step(i: Int[Array, ""], carry: tuple[TrainState, Metrics]) -> tuple[TrainState, Metrics]:
            state, metrics = carry
            begin = (i - first) * options.batch_size
            chosen = placement.shard_batch(lax.dynamic_slice_in_dim(order, begin, rows))
            batch = placement.shard_batch(images[chosen])
            if options.augment is not None:
                batch = options.augment(derive_key(state.key, RngStream.AUGMENTATION, state.step), batch)
            batch = prepare_images(batch, options.image_size)
            state, of_step = train_step(
                state,
                batch,
                labels[chosen],
                label_smoothing=options.label_smoothing,
                class_weights=options.class_weights,
                mixing=options.mixing,
                metrics=options.metrics,
                accumulate=options.accumulate,
            )
            return state, jax.tree.map(lambda entries, entry: entries.at[i].set(entry), metrics, of_step)

        return lax.fori_loop(start, stop, step, (state, metrics))

    own, shared = (state, metrics, block.order), (block.images, block.labels, block.first)
    return placement.map_over_members(of_one)(own, (*shared, start, stop))


@compiled(static_argnames=("options", "rows"))
def eval_chunk(
    state: TrainState,
    metrics: Metrics,
    block: DeviceBlock,
    start: int | Int[Array, ""],
    stop: int | Int[Array, ""],
    *,
    options: FitOptions,
    rows: int,
) -> Metrics:
    """`metrics` plus those of batches `start` to `stop` with `rows` examples each, all of them in `block`, in order.

    Args:
        state: the state to evaluate.
        metrics: the sums so far.
        block: the examples.
        start: the first batch.
        stop: the batch after the last.
        options: the `eval_program` of the options.
        rows: examples of each batch.
    """
    placement = options.placement

    def of_one(state, metrics, images, labels, first, start, stop):
        def step(i: Int[Array, ""], metrics: Metrics) -> Metrics:
            begin = (i - first) * options.batch_size
            batch = placement.shard_batch(lax.dynamic_slice_in_dim(images, begin, rows))
            labels_of_batch = lax.dynamic_slice_in_dim(labels, begin, rows)
            batch = prepare_images(batch, options.image_size)
            return metrics + eval_step(state, batch, labels_of_batch, metrics=options.metrics)

        return lax.fori_loop(start, stop, step, metrics)

    return placement.map_over_members(of_one)((state, metrics), (block.images, block.labels, block.first, start, stop))
