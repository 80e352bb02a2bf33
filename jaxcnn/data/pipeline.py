"""The input pipeline: pure functions that run inside the compiled training loop."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped


def prepare_images(
    images: Shaped[Array | np.ndarray, "n h w c"], image_size: int | None = None
) -> Float[Array, "n h_out w_out c"]:
    """Pixels as floats in [0, 1], at the size that a network takes.

    Args:
        images: (N, H, W, C); uint8 is divided by 255, floats are taken as they are.
        image_size: height and width to resize to, bilinear with half-pixel centres, smoothed where pixels become fewer;
            None keeps the size.

    Returns:
        (N, image_size, image_size, C), floating.

    Raises:
        ValueError: if the images are of another integer type, whose range is not known.

    Examples:
        >>> prepare_images(jnp.full((1, 28, 28, 1), 255, jnp.uint8), 96).shape
        (1, 96, 96, 1)
    """
    images = jnp.asarray(images)
    if images.dtype == jnp.uint8:
        images = images.astype(jnp.float32) / 255
    elif not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(f"images of type {images.dtype}: uint8, or floats in [0, 1], are needed")
    n, height, width, channels = images.shape
    if image_size is None or (height, width) == (image_size, image_size):
        return images
    shape = (n, image_size, image_size, channels)
    return jax.image.resize(images, shape, "bilinear", antialias=image_size < max(height, width))


def epoch_order(key: PRNGKeyArray, num_examples: int) -> Int[Array, " num_examples"]:
    """The order in which an epoch visits the examples: a permutation, a function of `key` alone.

    Examples:
        >>> sorted(epoch_order(jax.random.key(0), 4).tolist())
        [0, 1, 2, 3]
    """
    return jax.random.permutation(key, num_examples)
