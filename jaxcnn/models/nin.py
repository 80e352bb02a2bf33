"""NiN: a network of small networks, without dense layers."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv
from jaxcnn.models.inputs import check_images


class NiNBlock(nn.Module):
    """A convolution followed by two 1x1 convolutions, which act as a dense network at each pixel. A relu follows each.

    Attributes:
        features: output channels of each convolution.
        kernel_size: height and width of the first kernel.
        strides: step of the first kernel, in pixels.
        padding: zeros around the input of the first convolution.
        dtype: type of the computation.
    """

    features: int
    kernel_size: ops.Window
    strides: ops.Window = 1
    padding: ops.Padding = 0
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"]) -> Float[Array, "n h_out w_out features"]:
        """Compute the block's output for `x`, (N, H, W, C), with shape (N, H_out, W_out, features)."""
        conv = partial(Conv, self.features, dtype=self.dtype)
        x = nn.relu(conv(self.kernel_size, strides=self.strides, padding=self.padding, name="conv1")(x))
        x = nn.relu(conv(1, name="conv2")(x))
        return nn.relu(conv(1, name="conv3")(x))


class NiN(nn.Module):
    """NiN as in the chapter.

        block 96@11x11 stride 4, max-pool 3/2, block 256@5x5 pad 2, max-pool 3/2,
        block 384@3x3 pad 1, max-pool 3/2, dropout, block num_classes@3x3 pad 1, global average pool

    The last block has one channel for each class. It also ends in a relu, so no logit is negative. The network has
    1,992,166 parameters on grayscale images with 10 classes. The minimum image size is 67x67.

    Attributes:
        num_classes: number of logits.
        dropout_rate: share of the activations before the last block dropped in training; 0 for no dropout.
        dtype: type of the computation. Parameters are float32.

    Raises:
        ValueError: if the input is not a batch of float images of at least 67x67 pixels.

    Examples:
        >>> import jax
        >>> images = jnp.zeros((2, 224, 224, 1))
        >>> jax.eval_shape(partial(NiN().init_with_output, train=False), jax.random.key(0), images)[0].shape
        (2, 10)

    References:
        Section 4.8. M. Lin, Q. Chen and S. Yan, Network In Network, 2013.
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
            Logits, (N, num_classes), none of them negative.
        """
        check_images(self, x, min_size=67)
        block = partial(NiNBlock, dtype=self.dtype)
        x = ops.max_pool2d(block(96, 11, strides=4, name="block1")(x), 3, strides=2)
        x = ops.max_pool2d(block(256, 5, padding=2, name="block2")(x), 3, strides=2)
        x = ops.max_pool2d(block(384, 3, padding=1, name="block3")(x), 3, strides=2)
        x = nn.Dropout(self.dropout_rate, deterministic=not train, name="dropout")(x)
        x = block(self.num_classes, 3, padding=1, name="block4")(x)
        return ops.global_avg_pool2d(x)
