"""The check of a network's input."""

import jax.numpy as jnp
from flax import linen as nn

from jaxcnn import ops
from jaxcnn.ops.arguments import check_shapes


def check_images(model: nn.Module, images: ops.ArrayLike, *, min_size: int = 1) -> None:
    """Check that `images` are a batch of channel-last float images that `model` can take.

    Square channel-first images are recognized if they have 1 or 3 channels.

    Args:
        model: the network, which the error names.
        images: (N, H, W, C).
        min_size: minimum height and width, in pixels.

    Raises:
        ValueError: if `images` are not an array, have other axes, are integers, channel-first or too small.
    """
    network = type(model).__name__
    if getattr(images, "ndim", 4) == 3:
        raise ValueError(
            f"{network}: expected a batch of images (N, H, W, C), got {images.shape}; for one image use images[None]"
        )
    _, height, width, channels = check_shapes(network, images=(images, "N H W C")).values()
    if not jnp.issubdtype(images.dtype, jnp.inexact):
        raise ValueError(
            f"{network}: expected images of floats, usually in [0, 1], got {images.dtype}; for uint8 use images / 255"
        )
    if height in (1, 3) and width == channels > 3:
        raise ValueError(
            f"{network}: expected channel-last images (N, H, W, C), got channel-first {images.shape}; use "
            "images.transpose(0, 2, 3, 1)"
        )
    if min(height, width) < min_size:
        raise ValueError(
            f"{network}: expected images of at least {min_size}x{min_size} pixels, got {height}x{width}; resize them "
            "with jax.image.resize"
        )
