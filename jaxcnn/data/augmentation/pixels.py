"""Conversion of computed pixels back to the type of the images."""

import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped


def from_floats(pixels: Float[Array, "n h w c"], dtype: DTypeLike) -> Shaped[Array, "n h w c"]:
    """`pixels` as `dtype`: rounded and clipped to 0 .. 255 for uint8, clipped to [0, 1] for floats.

    Examples:
        >>> from_floats(jnp.array([[[[-3.0, 1.6, 300.0]]]]), jnp.uint8).tolist()
        [[[[0, 2, 255]]]]
    """
    if jnp.issubdtype(dtype, jnp.floating):
        return jnp.clip(pixels, 0, 1).astype(dtype)
    return jnp.clip(jnp.round(pixels), 0, 255).astype(dtype)
