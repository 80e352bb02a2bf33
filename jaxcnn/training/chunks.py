"""The compiled programs that training is made of: chunks of the steps of an epoch.

A chunk is one program: it gathers each step's rows, scales and resizes them and takes the step, for as many steps as it
is told. How many is an argument, not a shape, so one compilation serves every chunk length, and a chunk of no steps
compiles without training.
"""

from collections.abc import Callable
from functools import partial

import jax
from jax import lax
from jaxtyping import Array, Int, PRNGKeyArray

from jaxcnn.data.pipeline import epoch_order, prepare_images
from jaxcnn.training.compilation import compiled
from jaxcnn.training.layout import Layout
from jaxcnn.training.state import Stream, TrainState, derive_key
from jaxcnn.training.steps import Metrics, eval_step, train_step
from jaxcnn.training.windows import Window

Augment = Callable[[PRNGKeyArray, Array], Array]
"""Changes the images of a step, (N, H, W, C), as a key has it."""


@partial(jax.jit, static_argnames=("layout", "num_examples"))
def order_of_epoch(
    state: TrainState, epoch: int | Int[Array, ""], *, layout: Layout, num_examples: int
) -> Int[Array, "*replicas n"]:
    """The order in which a run, or each replica, visits the examples in an epoch, counted from 1."""

    def of_one(state: TrainState, epoch: Int[Array, ""]) -> Int[Array, " n"]:
        return epoch_order(derive_key(state.key, Stream.ORDER, epoch), num_examples)

    return layout.lift(of_one)((state,), (epoch,))


@compiled(
    static_argnames=("layout", "batch_size", "rows", "image_size", "augment", "label_smoothing"),
    donate_argnames=("state", "metrics"),
)
def train_chunk(
    state: TrainState,
    metrics: Metrics,
    window: Window,
    start: int | Int[Array, ""],
    stop: int | Int[Array, ""],
    *,
    layout: Layout,
    batch_size: int,
    rows: int,
    image_size: int | None,
    augment: Augment | None,
    label_smoothing: float,
) -> tuple[TrainState, Metrics]:
    """Steps `start` to `stop` of an epoch, of `rows` examples each, which are all in `window`."""

    def of_one(state, metrics, order, images, labels, first, start, stop):
        def step(i: Int[Array, ""], carry: tuple[TrainState, Metrics]) -> tuple[TrainState, Metrics]:
            state, metrics = carry
            chosen = layout.split(lax.dynamic_slice_in_dim(order, (i - first) * batch_size, rows))
            batch = layout.split(images[chosen])
            if augment is not None:
                batch = augment(derive_key(state.key, Stream.AUGMENTATION, state.step), batch)
            batch = prepare_images(batch, image_size)
            state, of_step = train_step(state, batch, labels[chosen], label_smoothing=label_smoothing)
            return state, jax.tree.map(lambda entries, entry: entries.at[i].set(entry), metrics, of_step)

        return lax.fori_loop(start, stop, step, (state, metrics))

    own, shared = (state, metrics, window.order), (window.images, window.labels, window.first)
    return layout.lift(of_one)(own, (*shared, start, stop))


@compiled(static_argnames=("layout", "batch_size", "rows", "image_size"))
def eval_chunk(
    state: TrainState,
    metrics: Metrics,
    window: Window,
    start: int | Int[Array, ""],
    stop: int | Int[Array, ""],
    *,
    layout: Layout,
    batch_size: int,
    rows: int,
    image_size: int | None,
) -> Metrics:
    """`metrics` plus those of batches `start` to `stop`, of `rows` examples each, which `window` has in their order."""

    def of_one(state, metrics, images, labels, first, start, stop):
        def step(i: Int[Array, ""], metrics: Metrics) -> Metrics:
            place = (i - first) * batch_size
            batch = layout.split(lax.dynamic_slice_in_dim(images, place, rows))
            of_batch = lax.dynamic_slice_in_dim(labels, place, rows)
            return metrics + eval_step(state, prepare_images(batch, image_size), of_batch)

        return lax.fori_loop(start, stop, step, metrics)

    return layout.lift(of_one)((state, metrics), (window.images, window.labels, window.first, start, stop))
