"""Gradients of the logits with respect to the images."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer, Shaped

from jaxcnn.data.pipeline import prepare_images
from jaxcnn.insight.classes import check_classes
from jaxcnn.training import TrainState
from jaxcnn.training.batches import check_images, check_range, check_state
from jaxcnn.training.compilation import compiled


def input_gradients(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    *,
    classes: Integer[Array | np.ndarray, " n"] | None = None,
    image_size: int | None = None,
) -> Float[Array, "n h w c"]:
    """The gradient of the logit of a class with respect to the image, in evaluation mode.

        gradient_i = d logit_i[class_i] / d image_i

    Args:
        state: the state of one run; `state.eval_variables` are used.
        images: (N, H, W, C): uint8 or floats in [0, 1].
        classes: (N,), the class of each image; None for the predicted one.
        image_size: height and width that the network takes; None for the size of the images.

    Returns:
        (N, H, W, C), float32, for pixels in [0, 1] at the size of the images.

    Raises:
        TypeError: if an argument is not a state or an array.
        ValueError: if the state is that of an ensemble, the images have other axes, floats are outside [0, 1], or a
            class does not exist.

    Examples:
        >>> import optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> input_gradients(state, np.zeros((3, 28, 28, 1), np.uint8)).shape
        (3, 28, 28, 1)

    References:
        Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks: Visualising Image Classification Models and
        Saliency Maps, 2014, section 3.
    """
    check_state(state)
    check_images(images)
    check_range(images)
    chosen = None if classes is None else check_classes(state, images, classes, image_size)
    return _input_gradients(state, jnp.asarray(images), chosen, image_size=image_size)


@compiled(static_argnames=("image_size",))
def _input_gradients(
    state: TrainState,
    images: Shaped[Array, "n h w c"],
    classes: Integer[Array, " n"] | None,
    *,
    image_size: int | None,
) -> Float[Array, "n h w c"]:
    def logit(pixels: Array) -> Array:
        logits = state.apply_fn(state.eval_variables, prepare_images(pixels, image_size), train=False)
        chosen = logits.argmax(axis=-1) if classes is None else classes
        return jnp.take_along_axis(logits, chosen[:, None], axis=-1).astype(jnp.float32).sum()

    return jax.grad(logit)(prepare_images(images).astype(jnp.float32))
