"""What a trained network says of images."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from jaxcnn.data.pipeline import prepare_images
from jaxcnn.training.compilation import compiled
from jaxcnn.training.state import TrainState


def predict(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    *,
    batch_size: int = 256,
    image_size: int | None = None,
) -> Float[np.ndarray, "n classes"]:
    """The probability of each class for each image.

    Parameters and statistics come as one state, so statistics of another moment cannot be used; dropout is off.

    Args:
        state: the state to predict with.
        images: (N, H, W, C), uint8 or floats in [0, 1], of any size.
        batch_size: images at once; it bounds the memory and changes nothing else.
        image_size: height and width that the network takes; None for that of the images.

    Returns:
        (N, num_classes), float32, each row with the sum 1.

    Raises:
        ValueError: if there are no images, or `batch_size` is below 1.

    Examples:
        >>> import optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> predict(state, np.zeros((3, 28, 28, 1), np.uint8)).shape
        (3, 10)
    """
    if batch_size < 1 or len(images) < 1:
        raise ValueError(f"{len(images)} images in batches of {batch_size}: at least 1 of each is needed")
    parts = [images[start : start + batch_size] for start in range(0, len(images), batch_size)]
    return np.concatenate(
        [np.asarray(_probabilities(state, jnp.asarray(part), image_size=image_size)) for part in parts]
    )


@compiled(static_argnames=("image_size",))
def _probabilities(
    state: TrainState, images: Shaped[Array, "n h w c"], *, image_size: int | None
) -> Float[Array, "n classes"]:
    logits = state.apply_fn(state.variables, prepare_images(images, image_size), train=False)
    return jax.nn.softmax(logits.astype(jnp.float32))
