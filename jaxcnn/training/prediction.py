"""Predictions of a network for images."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Shaped

from jaxcnn.data.pipeline import prepare_images
from jaxcnn.data.views import Views
from jaxcnn.training.batches import abstract_logits, check_images, check_range, check_state
from jaxcnn.training.compilation import compiled
from jaxcnn.training.options import FitOptions
from jaxcnn.training.state import TrainState


def predict(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "*n h w c"],
    *,
    batch_size: int = 256,
    image_size: int | None = None,
    views: Views | None = None,
) -> Float[np.ndarray, "*n classes"]:
    """The probability of each class for each image, in evaluation mode.

    Args:
        state: the state to predict with.
        images: (N, H, W, C), or one image (H, W, C): uint8 or floats in [0, 1], of any size.
        batch_size: images of a batch; it limits the memory and does not change the result.
        image_size: height and width that the network takes; None for the size of the images.
        views: views of each image, whose probabilities are averaged (test-time augmentation); None for the image alone.

    Returns:
        (N, num_classes), float32, each row with the sum 1; for one image (num_classes,).

    Raises:
        TypeError: if an argument is not a state or an array.
        ValueError: if the state is that of an ensemble, the images have other axes, floats are outside [0, 1], or
            `batch_size` is below 1.

    Examples:
        >>> import optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> predict(state, np.zeros((3, 28, 28, 1), np.uint8)).shape
        (3, 10)
        >>> predict(state, np.zeros((28, 28, 1), np.uint8)).shape
        (10,)
    """
    check_state(state)
    options = FitOptions(num_epochs=0, batch_size=batch_size, image_size=image_size)
    check_images(images, one=True)
    check_range(images)
    if images.ndim == 3:
        return predict(state, images[None], batch_size=batch_size, image_size=image_size, views=views)[0]
    if len(images) == 0:
        return np.zeros((0, abstract_logits(state, options.input_shape(images.shape[1:])).shape[-1]), np.float32)
    parts = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
    return np.concatenate(
        [np.asarray(_probabilities(state, jnp.asarray(part), image_size=image_size, views=views)) for part in parts]
    )


@compiled(static_argnames=("image_size", "views"))
def _probabilities(
    state: TrainState, images: Shaped[Array, "n h w c"], *, image_size: int | None, views: Views | None
) -> Float[Array, "n classes"]:
    def of_view(images: Shaped[Array, "n h w c"]) -> Float[Array, "n classes"]:
        logits = state.apply_fn(state.eval_variables, prepare_images(images, image_size), train=False)
        return jax.nn.softmax(logits.astype(jnp.float32))

    return of_view(images) if views is None else lax.map(of_view, views(images)).mean(axis=0)
