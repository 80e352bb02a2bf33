"""Output shapes of a network's layers."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcnn.models.calls import record_calls


def output_shapes(model: nn.Module, image_shape: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """Trace the network on one image, without computing it, and collect the output shapes of its layers and blocks.

    Args:
        model: a network, called as `model.apply(variables, images, train=...)`.
        image_shape: height, width and channels of the image.

    Returns:
        Shapes (H, W, C) or (F,) by the name of the layer or block, in the order of the calls. Pools are operations, not
        layers, so they are not included.

    Raises:
        ValueError: if the image is too small for the network.

    Examples:
        >>> from jaxcnn.models import LeNet
        >>> output_shapes(LeNet(), (28, 28, 1))["conv2"]
        (8, 8, 16)
    """
    with record_calls() as calls:
        jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, *image_shape), jnp.float32))
    return {call.path[0]: call.output_shape for call in calls if len(call.path) == 1}
