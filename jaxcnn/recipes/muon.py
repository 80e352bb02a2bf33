"""Muon for the kernels of convolutions."""

from functools import partial

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from jaxtyping import Array, ArrayLike, PyTree


def filter_muon(
    learning_rate: optax.ScalarOrSchedule,
    *,
    beta: float = 0.95,
    ns_steps: int = 5,
    weight_decay: float = 0.0,
    adam_ratio: float = 0.1,
) -> optax.GradientTransformation:
    """Muon for the kernels of convolutions, and Adam for all other parameters, both with Nesterov momentum.

    The momentum of a kernel (h, w, C_in, C_out) is a matrix M with h w C_in rows and C_out columns. Newton-Schulz
    iterations replace it by a matrix near the semi-orthogonal U V^T:

        kernel -= learning_rate * (sqrt(max(1, C_out / (h w C_in))) * U V^T + weight_decay * kernel),  M = U S V^T

    `optax.contrib.muon` does the same for the kernels of dense layers, and leaves convolutions to Adam.

    Args:
        learning_rate: the learning rate of Muon, or its schedule.
        beta: decay of the momentum.
        ns_steps: number of Newton-Schulz iterations.
        weight_decay: weight decay coefficient of the kernels of convolutions.
        adam_ratio: learning rate of Adam, as a multiple of `learning_rate`.

    Returns:
        The optimizer.

    Examples:
        >>> params = {"kernel": jnp.eye(2).reshape(1, 1, 2, 2), "bias": jnp.ones(2)}
        >>> optimizer = filter_muon(0.5, adam_ratio=0.2)
        >>> updates, _ = optimizer.update(params, optimizer.init(params), params)
        >>> updates["kernel"].shape, updates["bias"].shape
        ((1, 1, 2, 2), (2,))

    References:
        K. Jordan and others, Muon: An Optimizer for Hidden Layers in Neural Networks, 2024.
    """
    adam_rate = partial(_scaled, learning_rate, adam_ratio) if callable(learning_rate) else adam_ratio * learning_rate
    return optax.contrib.muon(
        learning_rate,
        beta=beta,
        ns_steps=ns_steps,
        weight_decay=weight_decay,
        adam_learning_rate=adam_rate,
        muon_weight_dimension_numbers=_filters,
    )


def _scaled(schedule: optax.Schedule, ratio: float, step: ArrayLike) -> ArrayLike:
    return ratio * schedule(step)


def _filters(params: PyTree[Array]) -> PyTree[optax.contrib.MuonDimensionNumbers | None]:
    """The axes of the matrix of each kernel of a convolution; None for other parameters."""
    numbers = optax.contrib.MuonDimensionNumbers(reduction_axis=(0, 1, 2), output_axis=(3,))
    return jax.tree.map(lambda leaf: numbers if jnp.ndim(leaf) == 4 else None, params)
