"""Gradient accumulation: the gradients of a batch as the mean of those of its micro-batches."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Integer, PRNGKeyArray, Shaped

from jaxcnn.training.metrics import Metrics
from jaxcnn.training.state import Variables


class Batch(NamedTuple):
    """The examples of a step, or of a micro-batch.

    Attributes:
        images: (N, H, W, C), as the network takes them.
        labels: (N,), the class of each.
        dropout_key: the key of the dropout masks.
        other_labels: (N,), the second class of each mixed image; None if images are not mixed.
        shares: (N,), the share of `labels` in the target; None if images are not mixed.
    """

    images: Shaped[Array, "n h w c"]
    labels: Integer[Array, " n"]
    dropout_key: PRNGKeyArray
    other_labels: Integer[Array, " n"] | None = None
    shares: Float[Array, " n"] | None = None


Aux = tuple[Variables, Metrics]
Loss = Callable[[Variables, Variables, Batch], tuple[Array, Aux]]
"""The mean loss of a batch for parameters and batch statistics, with the new statistics and the sums of metrics."""


def accumulated_value_and_grad(loss_fn: Loss, num_micro_batches: int) -> Callable[..., Any]:
    """`jax.value_and_grad` of `loss_fn` with respect to the parameters, computed one micro-batch after another.

        loss = mean over micro-batches m of loss_fn(m),    gradients = mean over m of the gradients of loss_fn(m)

    Micro-batches have the same size, so without batch norm and dropout the result is that of the whole batch, up to
    rounding. Batch norm normalizes each micro-batch separately and updates the moving statistics after each. Each
    micro-batch has its own dropout masks. Only one needs memory for its activations at a time.

    Args:
        loss_fn: the loss of a batch.
        num_micro_batches: their number, which divides the size of the batch. With 1 the result is bit-exact.

    Returns:
        A function of parameters, batch statistics and a `Batch` that returns ((loss, aux), gradients).
    """
    value_and_grad = jax.value_and_grad(loss_fn, has_aux=True)
    if num_micro_batches == 1:
        return value_and_grad

    def accumulate(params: Variables, batch_stats: Variables, batch: Batch) -> tuple[tuple[Array, Aux], Variables]:
        def add(carry: tuple[Variables, Variables], micro_batch: Batch) -> tuple[Any, tuple[Array, Metrics]]:
            total, batch_stats = carry
            (loss, (batch_stats, metrics)), gradients = value_and_grad(params, batch_stats, micro_batch)
            return (jax.tree.map(jnp.add, total, gradients), batch_stats), (loss, metrics)

        begin = jax.tree.map(jnp.zeros_like, params), batch_stats
        (total, batch_stats), (losses, metrics) = lax.scan(add, begin, _split(batch, num_micro_batches))
        gradients = jax.tree.map(lambda leaf: leaf / num_micro_batches, total)
        metrics = jax.tree.map(lambda leaf: leaf.sum(0, dtype=leaf.dtype), metrics)
        loss = losses.mean()
        return (loss, (batch_stats, metrics)), gradients

    return accumulate


def accumulated_value(loss_fn: Loss, num_micro_batches: int) -> Callable[..., Float[Array, ""]]:
    """The loss of `accumulated_value_and_grad` alone, a function of the same arguments."""
    if num_micro_batches == 1:
        return lambda params, batch_stats, batch: loss_fn(params, batch_stats, batch)[0]

    def mean(params: Variables, batch_stats: Variables, batch: Batch) -> Float[Array, ""]:
        def step(batch_stats: Variables, micro_batch: Batch) -> tuple[Variables, Array]:
            loss, (batch_stats, _) = loss_fn(params, batch_stats, micro_batch)
            return batch_stats, loss

        return lax.scan(step, batch_stats, _split(batch, num_micro_batches))[1].mean()

    return mean


def _split(batch: Batch, num_micro_batches: int) -> Batch:
    """`batch` with a first axis over micro-batches. Each has every `num_micro_batches`-th example.

    So if devices share a batch, they share each micro-batch.
    """
    size = len(batch.labels) // num_micro_batches

    def split(leaf: Array) -> Array:
        return leaf.reshape(size, num_micro_batches, *leaf.shape[1:]).swapaxes(0, 1)

    keys = jax.random.split(batch.dropout_key, num_micro_batches)
    return jax.tree.map(split, batch._replace(dropout_key=None))._replace(dropout_key=keys)
