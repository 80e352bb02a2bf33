"""NiN: networks in a network, with no dense layer at all."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv
from jaxcnn.models.image_size import check_image_size


class NiNBlock(nn.Module):
    """A convolution and two of 1x1, which are a small dense network at each pixel; a relu behind each.

    Attributes:
        features: channels of all three.
        kernel_size: height and width of the first kernel.
        strides: step of the first kernel.
        padding: zeros around the input of the first.
        dtype: type of the computation.
    """

    features: int
    kernel_size: ops.Window
    strides: ops.Window = 1
    padding: ops.Padding = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"]) -> Float[Array, "n h_out w_out features"]:
        """The block's output for `x`, (N, H, W, C), as (N, H_out, W_out, features)."""
        conv = partial(Conv, self.features, dtype=self.dtype)
        x = nn.relu(conv(self.kernel_size, strides=self.strides, padding=self.padding, name="conv1")(x))
        x = nn.relu(conv(1, name="conv2")(x))
        return nn.relu(conv(1, name="conv3")(x))


class NiN(nn.Module):
    """The network of Lin, Chen and Yan, 2013, as the chapter gives it.

        block 96@11x11 stride 4, max-pool 3/2, block 256@5x5 pad 2, max-pool 3/2,
        block 384@3x3 pad 1, max-pool 3/2, dropout, block num_classes@3x3 pad 1, global average pool

    The last block gives a channel for each class and ends in a relu too, so no logit is negative. It has 1,992,166
    parameters on grayscale images with 10 classes; 67x67 is the smallest image, and any larger will do.

    Attributes:
        num_classes: how many logits there are.
        dropout_rate: share of the activations before the last block that training leaves out; 0 for none.
        dtype: type of the computation; parameters stay float32.

    Raises:
        ValueError: if the image is smaller than 67x67.

    Examples:
        >>> import jax
        >>> images = jnp.zeros((2, 224, 224, 1))
        >>> jax.eval_shape(partial(NiN().init_with_output, train=False), jax.random.key(0), images)[0].shape
        (2, 10)

    References:
        Section 4.8.
    """

    num_classes: int = 10
    dropout_rate: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n num_classes"]:
        """Logits of the images `x`, (N, H, W, C), as (N, num_classes)."""
        check_image_size(self, x, 67)
        block = partial(NiNBlock, dtype=self.dtype)
        x = ops.max_pool2d(block(96, 11, strides=4, name="block1")(x), 3, strides=2)
        x = ops.max_pool2d(block(256, 5, padding=2, name="block2")(x), 3, strides=2)
        x = ops.max_pool2d(block(384, 3, padding=1, name="block3")(x), 3, strides=2)
        x = nn.Dropout(self.dropout_rate, deterministic=not train, name="dropout")(x)
        x = block(self.num_classes, 3, padding=1, name="block4")(x)
        return ops.global_avg_pool2d(x)
