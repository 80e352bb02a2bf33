"""AlexNet: five convolutions, three dense layers, relu and dropout."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense, Flatten
from jaxcnn.models.inputs import check_images


class AlexNet(nn.Module):
    """AlexNet as in the chapter.

        conv 96@11x11 stride 4, max-pool 3/2, conv 256@5x5 pad 2, max-pool 3/2,
        conv 384@3x3 pad 1, conv 384@3x3 pad 1, conv 256@3x3 pad 1, max-pool 3/2, flatten,
        dense 4096, dropout, dense 4096, dropout, dense num_classes

    with a relu after each layer except the last. It has 46,764,746 parameters on grayscale images of 224x224 with 10
    classes. The minimum image size is 67x67.

    Attributes:
        num_classes: number of logits.
        dropout_rate: share of the dense layers' outputs dropped in training; 0 for no dropout.
        dtype: type of the computation. Parameters are float32.

    Raises:
        ValueError: if the input is not a batch of float images of at least 67x67 pixels.

    Examples:
        >>> import jax
        >>> images = jnp.zeros((2, 224, 224, 1))
        >>> jax.eval_shape(partial(AlexNet().init_with_output, train=False), jax.random.key(0), images)[0].shape
        (2, 10)

    References:
        Section 4.6. A. Krizhevsky, I. Sutskever and G. Hinton, ImageNet Classification with Deep Convolutional Neural
        Networks, 2012.
    """

    num_classes: int = 10
    dropout_rate: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n num_classes"]:
        """Compute the logits of a batch of images.

        Args:
            x: float images, (N, H, W, C), usually in [0, 1].
            train: whether to apply dropout, which needs the random stream 'dropout'.

        Returns:
            Logits, (N, num_classes).
        """
        check_images(self, x, min_size=67)
        conv, dense = partial(Conv, dtype=self.dtype), partial(Dense, dtype=self.dtype)
        dropout = partial(nn.Dropout, self.dropout_rate, deterministic=not train)
        x = nn.relu(conv(96, 11, strides=4, name="conv1")(x))
        x = ops.max_pool2d(x, 3, strides=2)
        x = nn.relu(conv(256, 5, padding=2, name="conv2")(x))
        x = ops.max_pool2d(x, 3, strides=2)
        x = nn.relu(conv(384, 3, padding=1, name="conv3")(x))
        x = nn.relu(conv(384, 3, padding=1, name="conv4")(x))
        x = nn.relu(conv(256, 3, padding=1, name="conv5")(x))
        x = ops.max_pool2d(x, 3, strides=2)
        x = Flatten(name="flatten")(x)
        x = dropout(name="dropout1")(nn.relu(dense(4096, name="dense1")(x)))
        x = dropout(name="dropout2")(nn.relu(dense(4096, name="dense2")(x)))
        return dense(self.num_classes, name="dense3")(x)
