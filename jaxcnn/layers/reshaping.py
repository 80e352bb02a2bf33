"""Layers that compute nothing."""

from flax import linen as nn
from jaxtyping import Shaped

from jaxcnn import ops


class Flatten(nn.Module):
    """Images as rows of numbers, for the dense layers that follow: row by row, column by column, channels last.

    A layer and not a reshape, because weights from a channel-first library have their rows in another order, and who
    brings them over has to see height, width and channels.

    Examples:
        >>> import jax.numpy as jnp
        >>> Flatten().apply({}, jnp.ones((2, 4, 4, 16))).shape
        (2, 256)

    References:
        Section 4.5.
    """

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"]) -> Shaped[ops.ArrayLike, "n inputs"]:
        """`x`, (N, H, W, C), as (N, H * W * C)."""
        return x.reshape(x.shape[0], -1)
