"""Layers that only change shapes."""

import math

from flax import linen as nn
from jaxtyping import Shaped

from jaxcnn import ops


class Flatten(nn.Module):
    """Flatten each image to a vector, in the order row, column, channel.

    It is a layer, not a reshape, so that `interop` sees height, width and channels: the rows of the next dense kernel
    have another order in channel-first libraries.

    Examples:
        >>> import jax.numpy as jnp
        >>> Flatten().apply({}, jnp.ones((2, 4, 4, 16))).shape
        (2, 256)

    References:
        Section 4.5.
    """

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"]) -> Shaped[ops.ArrayLike, "n inputs"]:
        """Reshape `x`, (N, H, W, C), to (N, H * W * C)."""
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))
