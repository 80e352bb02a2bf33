"""The input pipeline: pure functions that run inside the compiled training loop."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.image import resize  # by name: jax2onnx replaces jax.image.resize by one without symbolic batch sizes
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped


def prepare_images(
    images: Shaped[Array | np.ndarray, "n h w c"], image_size: int | None = None
) -> Float[Array, "n h_out w_out c"]:
    """Convert images to floats in [0, 1] at the input size of a network.

    Args:
        images: (N, H, W, C); uint8 is divided by 255, floats are not changed.
        image_size: height and width of the result, resized bilinearly with half-pixel centers, and with antialiasing
            when shrinking; None keeps the size.

    Returns:
        (N, image_size, image_size, C), floating.

    Raises:
        ValueError: if the images are of any other type.

    Examples:
        >>> prepare_images(jnp.full((1, 28, 28, 1), 255, jnp.uint8), 96).shape
        (1, 96, 96, 1)
    """
    images = jnp.asarray(images)
    if images.dtype == jnp.uint8:
        images = images.astype(jnp.float32) / 255
    elif not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(f"images of type {images.dtype}: expected uint8 or floats in [0, 1]")
    n, height, width, channels = images.shape
    if image_size is None or (height, width) == (image_size, image_size):
        return images
    shape = (n, image_size, image_size, channels)
    return resize(images, shape, "bilinear", antialias=image_size < max(height, width))


def epoch_order(key: PRNGKeyArray, num_examples: int) -> Int[Array, " num_examples"]:
    """The order in which an epoch visits the examples: a permutation that depends only on `key`.

    Examples:
        >>> sorted(epoch_order(jax.random.key(0), 4).tolist())
        [0, 1, 2, 3]
    """
    return jax.random.permutation(key, num_examples)
