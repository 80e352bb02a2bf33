"""The error of a network that is shown too small an image."""

from flax import linen as nn

from jaxcnn import ops


def check_image_size(model: nn.Module, images: ops.ArrayLike, smallest: int) -> None:
    """A ValueError if `images`, (N, H, W, C), are smaller than the `smallest` that `model` can take, in pixels."""
    height, width = images.shape[1:3]
    if min(height, width) < smallest:
        raise ValueError(
            f"{type(model).__name__} on images of {height}x{width}: {smallest}x{smallest} is the smallest that works"
        )
