"""The classes that are explained."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcnn.training import TrainState
from jaxcnn.training.batches import abstract_logits, check_axes, check_labels


def check_classes(
    state: TrainState, images: Array | np.ndarray, classes: Array | np.ndarray, image_size: int | None
) -> Array:
    """`classes` as an array, with one class of the network for each image.

    Raises:
        TypeError: if it is not an array.
        ValueError: if it has other axes, is not of integers, or a class does not exist.
    """
    check_axes(images, classes)
    height, width, channels = images.shape[1:]
    shape = (image_size or height, image_size or width, channels)
    check_labels(classes, abstract_logits(state, shape).shape[-1])
    return jnp.asarray(classes)
