"""Batch normalization as a pure function: statistics in, updated statistics out."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxcnn.ops.arguments import ArrayLike, as_floats, as_wide_floats, check_shapes


class BatchStats(NamedTuple):
    """Mean and variance of each channel, of one batch or as moving averages.

    Attributes:
        mean: (C,), in the units of the activations.
        var: (C,), biased, in the squared units of the activations.
    """

    mean: Float[Array, " c"]
    var: Float[Array, " c"]


def batch_norm(
    x: Shaped[ArrayLike, "*batch c"],
    scale: Shaped[ArrayLike, " c"],
    bias: Shaped[ArrayLike, " c"],
    stats: BatchStats,
    *,
    train: bool,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
) -> tuple[Float[Array, "*batch c"], BatchStats]:
    """Normalize each channel to mean 0 and variance 1, then scale and shift it.

        y = scale * (x - mean) / sqrt(var + epsilon) + bias

    In training, mean and variance are those of the batch, var = mean((x - mean)^2), over all axes but the channels.
    The moving statistics are updated:

        new stats = momentum * stats + (1 - momentum) * (mean, var)

    In prediction, and for an empty training batch, mean and variance are `stats`, which are returned unchanged.

    Args:
        x: activations, (N, C) or (N, H, W, C). Half precision is computed in float32.
        scale: factor of each channel, (C,); its usual initial value is 1.
        bias: shift of each channel, (C,); its usual initial value is 0.
        stats: the moving statistics. In the chapter both are initially 0.
        train: whether to use the statistics of the batch. It is a Python bool, so static under `jit`.
        momentum: weight of the old moving statistics in the update, from 0 to 1.
        epsilon: added to the variance, in its units.

    Returns:
        y, with the shape and floating type of `x`, and the statistics for the next call, with their floating types
        unchanged.

    Raises:
        ValueError: if `x` has 1, 3 or more than 4 axes, the channels differ, or momentum or epsilon is out of range.

    Examples:
        >>> zero, one = jnp.zeros(2), jnp.ones(2)
        >>> x = jnp.array([[1.0, 10.0], [3.0, 30.0]])
        >>> y, stats = batch_norm(x, one, zero, BatchStats(zero, zero), train=True, momentum=0.5)
        >>> y.round(3).tolist()
        [[-1.0, -1.0], [1.0, 1.0]]
        >>> stats.mean.tolist(), stats.var.tolist()
        ([1.0, 10.0], [0.5, 50.0])

    References:
        Section 4.10. S. Ioffe and C. Szegedy, Batch Normalization, 2015.
    """
    if np.ndim(x) not in (2, 4):
        raise ValueError(f"batch_norm: expected x (N, C) or (N, H, W, C), got x {np.shape(x)}")
    if isinstance(momentum, float | int) and not 0 <= momentum <= 1:
        raise ValueError(f"batch_norm: momentum {momentum}: expected a number from 0 to 1")
    if isinstance(epsilon, float | int) and not epsilon >= 0:
        raise ValueError(f"batch_norm: epsilon {epsilon}: expected 0 or more")
    check_shapes(
        "batch_norm",
        x=(x, "N C" if np.ndim(x) == 2 else "N H W C"),
        scale=(scale, "C"),
        bias=(bias, "C"),
        mean=(stats.mean, "C"),
        var=(stats.var, "C"),
    )
    (x,) = as_floats(x)
    moving = BatchStats(*as_floats(stats.mean), *as_floats(stats.var))
    wide, scale, bias, mean, var = as_wide_floats(x, scale, bias, *moving)
    if not train or math.prod(x.shape[:-1]) == 0:
        y = (wide - _like(mean, wide)) * _like(scale * lax.rsqrt(var + epsilon), wide) + _like(bias, wide)
        return y.astype(x.dtype), moving
    y, batch = _normalize_batch(wide, scale, bias, jnp.asarray(epsilon, wide.dtype))
    new = [
        (momentum * old + (1 - momentum) * value).astype(kept.dtype)
        for old, value, kept in zip((mean, var), batch, moving, strict=True)
    ]
    return y.astype(x.dtype), BatchStats(*new)


@jax.custom_jvp
def _normalize_batch(x: Array, scale: Array, bias: Array, epsilon: Array) -> tuple[Array, BatchStats]:
    """Normalize `x` with its own statistics, and return them too."""
    y, stats, _ = _normalized(x, scale, bias, epsilon)
    return y, stats


@_normalize_batch.defjvp
def _normalize_batch_jvp(
    primals: tuple[Array, Array, Array, Array], tangents: tuple[Array, Array, Array, Array]
) -> tuple[tuple[Array, BatchStats], tuple[Array, BatchStats]]:
    x, scale, bias, epsilon = primals
    dx, dscale, dbias, depsilon = tangents
    y, stats, root = _normalized(x, scale, bias, epsilon)
    factor = scale / root
    normalized = (x - _like(stats.mean, x)) / _like(root, x)
    # The tangents of the channels are collected in two factors, shift and stretch. So the gradient, which is derived
    # from this form, has two sums over the batch: of dy, and of dy * normalized. That of the formula has four.
    dstats = BatchStats(_mean(dx), 2 * root * _mean(dx * normalized))
    droot = (dstats.var + depsilon) / (2 * root)
    shift, stretch = dbias - factor * dstats.mean, dscale - factor * droot
    dy = dx * _like(factor, x) + _like(shift, x) + normalized * _like(stretch, x)
    return (y, stats), (dy, dstats)


def _normalized(x: Array, scale: Array, bias: Array, epsilon: Array) -> tuple[Array, BatchStats, Array]:
    """Return y, the statistics of `x`, and sqrt(var + epsilon)."""
    mean = _mean(x)
    var = _mean(jnp.square(x - _like(mean, x)))
    root = jnp.sqrt(var + epsilon)
    return (x - _like(mean, x)) * _like(scale / root, x) + _like(bias, x), BatchStats(mean, var), root


def _mean(x: Array) -> Array:
    return x.mean(tuple(range(x.ndim - 1)))


def _like(channels: Array, x: Array) -> Array:
    """Reshape `channels`, (C,), for arithmetic with `x`, (..., C)."""
    return channels.reshape((1,) * (x.ndim - 1) + (-1,))
