"""VGG: blocks of small convolutions. Each block halves the size, and most double the channels."""

from functools import partial
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense, Flatten
from jaxcnn.models.inputs import check_images

VGG11_ARCH = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
"""Number of convolutions and channels of each block in the book's network."""


class VGGBlock(nn.Module):
    """3x3 convolutions with padding 1, each followed by a relu, then max-pooling that halves the size.

    Attributes:
        num_convs: number of convolutions.
        features: output channels of each convolution.
        dtype: type of the computation.
    """

    num_convs: int
    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"]) -> Float[Array, "n h_out w_out features"]:
        """Compute the block's output for `x`, (N, H, W, C), with shape (N, H // 2, W // 2, features)."""
        for number in range(1, self.num_convs + 1):
            x = nn.relu(Conv(self.features, 3, padding=1, dtype=self.dtype, name=f"conv{number}")(x))
        return ops.max_pool2d(x, 2)


class VGG(nn.Module):
    """VGG with any blocks. `VGG11` builds the chapter's.

        a VGGBlock for each entry of conv_arch, flatten,
        dense hidden, relu, dropout, dense hidden, relu, dropout, dense num_classes

    Attributes:
        conv_arch: number of convolutions and channels of each block.
        hidden: outputs of the first two dense layers.
        num_classes: number of logits.
        dropout_rate: share of the dense layers' outputs dropped in training; 0 for no dropout.
        dtype: type of the computation. Parameters are float32.

    Raises:
        ValueError: if the input is not a batch of float images of at least 2**len(conv_arch) pixels along each axis.

    Examples:
        >>> import jax
        >>> images = jnp.zeros((2, 224, 224, 1))
        >>> jax.eval_shape(partial(VGG().init_with_output, train=False), jax.random.key(0), images)[0].shape
        (2, 10)

    References:
        Section 4.7. K. Simonyan and A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition,
        2014.
    """

    conv_arch: tuple[tuple[int, int], ...] = VGG11_ARCH
    hidden: int = 4096
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
        check_images(self, x, min_size=2 ** len(self.conv_arch))
        dense = partial(Dense, dtype=self.dtype)
        dropout = partial(nn.Dropout, self.dropout_rate, deterministic=not train)
        for number, (num_convs, features) in enumerate(self.conv_arch, start=1):
            x = VGGBlock(num_convs, features, dtype=self.dtype, name=f"block{number}")(x)
        x = Flatten(name="flatten")(x)
        x = dropout(name="dropout1")(nn.relu(dense(self.hidden, name="dense1")(x)))
        x = dropout(name="dropout2")(nn.relu(dense(self.hidden, name="dense2")(x)))
        return dense(self.num_classes, name="dense3")(x)


def VGG11(ratio: int = 1, num_classes: int = 10, **fields: Any) -> VGG:  # noqa: N802 -- the network's name
    """Build the chapter's VGG: eight convolutions in five blocks and three dense layers.

    The minimum image size is 32x32. With ratio 4, which the chapter trains, the network has 8,060,234 parameters on
    grayscale images of 224x224 with 10 classes.

    Args:
        ratio: divisor of the channels and of the dense layers' outputs: 1, 2, 4, 8, 16, 32 or 64.
        num_classes: number of logits.
        **fields: other fields of `VGG`: `dropout_rate`, `dtype`, `name`.

    Returns:
        A `VGG`, called as `model.apply(variables, x, train=...)` with float images x (N, H, W, C). It returns logits,
        (N, num_classes).

    Raises:
        ValueError: if `ratio` does not divide 64.

    Examples:
        >>> VGG11(ratio=4).conv_arch
        ((1, 16), (1, 32), (2, 64), (2, 128), (2, 128))
        >>> VGG11() == VGG()
        True

    References:
        Section 4.7. K. Simonyan and A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition,
        2014.
    """
    if ratio < 1 or 64 % ratio:
        raise ValueError(f"VGG11: ratio {ratio}: expected a divisor of 64, the channels of the first block")
    conv_arch = tuple((num_convs, features // ratio) for num_convs, features in VGG11_ARCH)
    return VGG(conv_arch=conv_arch, hidden=4096 // ratio, num_classes=num_classes, **fields)
