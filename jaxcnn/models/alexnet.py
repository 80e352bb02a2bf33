"""AlexNet: five convolutions, three dense layers, relu and dropout."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense, Flatten
from jaxcnn.models.image_size import check_image_size


class AlexNet(nn.Module):
    """The network of Krizhevsky, Sutskever and Hinton, 2012, as the chapter gives it.

        conv 96@11x11 stride 4, max-pool 3/2, conv 256@5x5 pad 2, max-pool 3/2,
        conv 384@3x3 pad 1, conv 384@3x3 pad 1, conv 256@3x3 pad 1, max-pool 3/2, flatten,
        dense 4096, dropout, dense 4096, dropout, dense num_classes

    with a relu behind each layer but the last. It has 46,764,746 parameters on grayscale images of 224x224 with 10
    classes; 67x67 is the smallest image.

    Attributes:
        num_classes: how many logits there are.
        dropout_rate: share of the dense layers' outputs that training leaves out; 0 for none.
        dtype: type of the computation; parameters stay float32.

    Raises:
        ValueError: if the image is smaller than 67x67.

    Examples:
        >>> import jax
        >>> images = jnp.zeros((2, 224, 224, 1))
        >>> jax.eval_shape(partial(AlexNet().init_with_output, train=False), jax.random.key(0), images)[0].shape
        (2, 10)

    References:
        Section 4.6.
    """

    num_classes: int = 10
    dropout_rate: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n num_classes"]:
        """Logits of the images `x`, (N, H, W, C), as (N, num_classes)."""
        check_image_size(self, x, 67)
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
