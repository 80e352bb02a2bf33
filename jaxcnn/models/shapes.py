"""What a network's layers give, in the order in which they are called."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn


def output_shapes(model: nn.Module, image_shape: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
    """Shapes of what the network's own layers and blocks give for one image, without computing any of it.

    Args:
        model: a network, called as `model.apply(variables, images, train=...)`.
        image_shape: height, width and channels of the image.

    Returns:
        By the layer's name, in the order of the calls: (H, W, C) or (F,). Poolings are operations and not layers; what
        they give is not among them.

    Raises:
        ValueError: if the image is too small for the network.

    Examples:
        >>> from jaxcnn.models import LeNet
        >>> output_shapes(LeNet(), (28, 28, 1))["conv2"]
        (8, 8, 16)
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def record(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], context: Any) -> Any:
        output = call(*args, **kwargs)
        if context.method_name == "__call__" and len(context.module.path) == 1:
            shapes[context.module.path[0]] = output.shape[1:]
        return output

    with nn.intercept_methods(record):
        jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, *image_shape)))
    return shapes
