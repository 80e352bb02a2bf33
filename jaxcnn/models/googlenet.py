"""GoogLeNet: blocks of four parallel paths."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense
from jaxcnn.models.inputs import check_images


class Inception(nn.Module):
    """Four parallel paths with the same input. Their outputs are concatenated along the channels, followed by a relu.

        1x1 c1  |  1x1 c2[0], 3x3 pad 1 c2[1]  |  1x1 c3[0], 5x5 pad 2 c3[1]  |  max-pool 3/1 pad 1, 1x1 c4

    Attributes:
        c1: channels of the first path.
        c2: channels of the two convolutions in the second path.
        c3: channels of the two convolutions in the third path.
        c4: channels of the fourth path.
        activate_reductions: whether a relu follows the first convolution of the second and third path, as in the paper.
            The book has none.
        dtype: type of the computation.
    """

    c1: int
    c2: tuple[int, int]
    c3: tuple[int, int]
    c4: int
    activate_reductions: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"]) -> Float[Array, "n h w features"]:
        """Compute the block's output for `x`, (N, H, W, C), with shape (N, H, W, c1 + c2[1] + c3[1] + c4)."""
        conv = partial(Conv, dtype=self.dtype)

        def reduced(features: int, name: str) -> Array:
            y = conv(features, 1, name=name)(x)
            return nn.relu(y) if self.activate_reductions else y

        paths = (
            conv(self.c1, 1, name="p1_1")(x),
            conv(self.c2[1], 3, padding=1, name="p2_2")(reduced(self.c2[0], "p2_1")),
            conv(self.c3[1], 5, padding=2, name="p3_2")(reduced(self.c3[0], "p3_1")),
            conv(self.c4, 1, name="p4_2")(ops.max_pool2d(x, 3, strides=1, padding=1)),
        )
        return nn.relu(jnp.concatenate(paths, axis=-1))


class GoogLeNet(nn.Module):
    """GoogLeNet as in the chapter: nine Inception blocks, without auxiliary classifiers.

        conv 64@7x7 stride 2 pad 3, max-pool 3/2 pad 1, conv 64@1x1, conv 192@3x3 pad 1, max-pool 3/2 pad 1,
        2 blocks, max-pool 3/2 pad 1, 5 blocks, max-pool 3/2 pad 1, 2 blocks, global average pool, dense num_classes

    with a relu after each convolution outside the blocks. It has 5,977,530 parameters on grayscale images with 10
    classes and takes images of any size.

    Attributes:
        num_classes: number of logits.
        activate_reductions: whether the blocks have the paper's relus that the chapter omits, as for `Inception`.
        dtype: type of the computation. Parameters are float32.

    Raises:
        ValueError: if the input is not a batch of float images.

    Examples:
        >>> import jax
        >>> images = jnp.zeros((2, 96, 96, 1))
        >>> jax.eval_shape(partial(GoogLeNet().init_with_output, train=False), jax.random.key(0), images)[0].shape
        (2, 10)

    References:
        Section 4.9. C. Szegedy and others, Going Deeper with Convolutions, 2014.
    """

    num_classes: int = 10
    activate_reductions: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n num_classes"]:  # noqa: ARG002
        """Compute the logits of a batch of images.

        Args:
            x: float images, (N, H, W, C), usually in [0, 1].
            train: no effect; the network is the same in training and prediction.

        Returns:
            Logits, (N, num_classes).
        """
        check_images(self, x)
        conv = partial(Conv, dtype=self.dtype)
        inception = partial(Inception, activate_reductions=self.activate_reductions, dtype=self.dtype)
        halve = partial(ops.max_pool2d, window_shape=3, strides=2, padding=1)
        x = halve(nn.relu(conv(64, 7, strides=2, padding=3, name="conv1")(x)))
        x = nn.relu(conv(64, 1, name="conv2")(x))
        x = halve(nn.relu(conv(192, 3, padding=1, name="conv3")(x)))
        x = inception(64, (96, 128), (16, 32), 32, name="inception3a")(x)
        x = inception(128, (128, 192), (32, 96), 64, name="inception3b")(x)
        x = halve(x)
        x = inception(192, (96, 208), (16, 48), 64, name="inception4a")(x)
        x = inception(160, (112, 224), (24, 64), 64, name="inception4b")(x)
        x = inception(128, (128, 256), (24, 64), 64, name="inception4c")(x)
        x = inception(112, (144, 288), (32, 64), 64, name="inception4d")(x)
        x = inception(256, (160, 320), (32, 128), 128, name="inception4e")(x)
        x = halve(x)
        x = inception(256, (160, 320), (32, 128), 128, name="inception5a")(x)
        x = inception(384, (192, 384), (48, 128), 128, name="inception5b")(x)
        return Dense(self.num_classes, dtype=self.dtype, name="dense")(ops.global_avg_pool2d(x))
