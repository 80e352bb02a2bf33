"""VGG: blocks of small convolutions, each block half as large and twice as deep as the last."""

from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense, Flatten
from jaxcnn.models.image_size import check_image_size

VGG11_ARCH = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
"""(convolutions, channels) of each block of the book's network."""


class VGGBlock(nn.Module):
    """`num_convs` convolutions of 3x3 with padding 1, each with a relu, then max-pooling that halves the size.

    Attributes:
        num_convs: how many convolutions.
        features: channels of each.
        dtype: type of the computation.
    """

    num_convs: int
    features: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"]) -> Float[Array, "n h_out w_out features"]:
        """The block's output for `x`, (N, H, W, C), as (N, H // 2, W // 2, features)."""
        for number in range(1, self.num_convs + 1):
            x = nn.relu(Conv(self.features, 3, padding=1, dtype=self.dtype, name=f"conv{number}")(x))
        return ops.max_pool2d(x, 2)


class VGG(nn.Module):
    """The network of Simonyan and Zisserman, 2014, of any blocks.

        a VGGBlock for each entry of conv_arch, flatten,
        dense hidden, relu, dropout, dense hidden, relu, dropout, dense num_classes

    Attributes:
        conv_arch: (convolutions, channels) of each block.
        hidden: outputs of the two dense layers in between.
        num_classes: how many logits there are.
        dropout_rate: share of the dense layers' outputs that training leaves out; 0 for none.
        dtype: type of the computation; parameters stay float32.

    Raises:
        ValueError: if the image is smaller than 2 to the number of blocks.

    Examples:
        >>> import jax
        >>> images = jnp.zeros((2, 224, 224, 1))
        >>> jax.eval_shape(partial(VGG().init_with_output, train=False), jax.random.key(0), images)[0].shape
        (2, 10)

    References:
        Section 4.7.
    """

    conv_arch: tuple[tuple[int, int], ...] = VGG11_ARCH
    hidden: int = 4096
    num_classes: int = 10
    dropout_rate: float = 0.5
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n num_classes"]:
        """Logits of the images `x`, (N, H, W, C), as (N, num_classes)."""
        check_image_size(self, x, 2 ** len(self.conv_arch))
        dense = partial(Dense, dtype=self.dtype)
        dropout = partial(nn.Dropout, self.dropout_rate, deterministic=not train)
        for number, (num_convs, features) in enumerate(self.conv_arch, start=1):
            x = VGGBlock(num_convs, features, dtype=self.dtype, name=f"block{number}")(x)
        x = Flatten(name="flatten")(x)
        x = dropout(name="dropout1")(nn.relu(dense(self.hidden, name="dense1")(x)))
        x = dropout(name="dropout2")(nn.relu(dense(self.hidden, name="dense2")(x)))
        return dense(self.num_classes, name="dense3")(x)


def VGG11(ratio: int = 1, **attributes) -> VGG:  # noqa: N802 -- named as the networks are
    """The book's VGG of eight convolutions, every width divided by `ratio`.

    With ratio 4, the one that the chapter trains, it has 8,060,234 parameters on grayscale images of 224x224.

    Args:
        ratio: what the channels and the dense layers' outputs are divided by: 1, 2, 4 .. 64.
        **attributes: further ones of `VGG`.

    Raises:
        ValueError: if `ratio` does not divide 64.
    """
    if ratio < 1 or 64 % ratio:
        raise ValueError(f"VGG11 with ratio {ratio}: one that divides 64, the channels of the first block, is needed")
    conv_arch = tuple((num_convs, features // ratio) for num_convs, features in VGG11_ARCH)
    return VGG(conv_arch=conv_arch, hidden=4096 // ratio, **attributes)
