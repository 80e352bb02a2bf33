"""Batch normalization layers. Their moving statistics are in the collection `batch_stats`."""

from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from jaxcnn import ops


class BatchNorm(nn.Module):
    """Batch normalization `ops.batch_norm`, with the interface of Flax's `nn.BatchNorm`.

    The moving variance averages the biased variance of the batches, as in Flax. PyTorch averages the unbiased one.

    Attributes:
        use_running_average: whether to use the moving statistics, as in prediction, or those of the batch. Set it here
            or in the call.
        momentum: weight of the old moving statistics in the update, from 0 to 1.
        epsilon: added to the variance, in its units.
        initial_var: initial moving variance: 1, or 0 as in the chapter's layer from scratch.
        scale_init: initializer of the scales (gamma), called with a key, a shape and a type.
        dtype: type of the result; None for the type of the input.
        param_dtype: type of scale and bias.

    Raises:
        ValueError: if the input is neither (N, C) nor (N, H, W, C).

    Examples:
        >>> import jax
        >>> layer = BatchNorm(use_running_average=False, momentum=0.5)
        >>> variables = layer.init(jax.random.key(0), jnp.ones((4, 3)))
        >>> y, updates = layer.apply(variables, jnp.ones((4, 3)), mutable=["batch_stats"])
        >>> updates["batch_stats"]["var"].tolist()
        [0.5, 0.5, 0.5]

    References:
        Section 4.10.
    """

    use_running_average: bool | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5
    initial_var: float = 1.0
    scale_init: Callable[..., Array] = nn.initializers.ones
    dtype: DTypeLike | None = None
    param_dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Shaped[ops.ArrayLike, "*batch c"], use_running_average: bool | None = None
    ) -> Float[Array, "*batch c"]:
        """Normalize `x`, (N, C) or (N, H, W, C)."""
        predicting = nn.merge_param("use_running_average", self.use_running_average, use_running_average)
        channels = x.shape[-1:]
        scale = self.param("scale", self.scale_init, channels, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, channels, self.param_dtype)
        mean = self.variable("batch_stats", "mean", jnp.zeros, channels, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.full, channels, self.initial_var, jnp.float32)
        y, stats = ops.batch_norm(
            x if self.dtype is None else x.astype(self.dtype),
            scale,
            bias,
            ops.BatchStats(mean.value, var.value),
            train=not predicting,
            momentum=self.momentum,
            epsilon=self.epsilon,
        )
        if not predicting and not self.is_initializing():
            mean.value, var.value = stats
        return y


def uniform_scale(key: PRNGKeyArray, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> Float[Array, "..."]:
    """Draw initial scales (gamma) from U(0, 1), as PyTorch's batch norm did before version 1.2."""
    return jax.random.uniform(key, shape, dtype)


library_batch_norm = partial(BatchNorm, momentum=0.9, epsilon=1e-5)
"""Batch norm with the book's constants, as libraries initialize it: moving variance and scales are 1.

It equals Flax's `nn.BatchNorm` with `use_fast_variance=False`. Its gradient takes fewer passes over the activations.
"""

uniform_scale_batch_norm = partial(library_batch_norm, scale_init=uniform_scale)
"""`library_batch_norm` with initial scales (gamma) from U(0, 1), as in the book's runs. Each layer draws its own."""

scratch_batch_norm = partial(BatchNorm, initial_var=0.0)
"""The chapter's batch norm from scratch: the initial moving variance is 0 and the initial scales are 1."""
