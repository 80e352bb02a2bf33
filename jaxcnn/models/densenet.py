"""DenseNet: blocks in which every convolution sees the output of all before it."""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense, library_batch_norm
from jaxcnn.models.image_size import check_image_size


class ConvBlock(nn.Module):
    """norm, relu, and a convolution.

    Attributes:
        features: channels of the output.
        kernel_size: height and width of the kernel.
        padding: zeros around the input.
        norm: makes a normalisation layer.
        dtype: type of the computation.
    """

    features: int
    kernel_size: int
    padding: int = 0
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n h w features"]:
        """The block's output for `x`, (N, H, W, C), as (N, H, W, features)."""
        x = nn.relu(self.norm(use_running_average=not train, dtype=self.dtype, name="norm")(x))
        return Conv(self.features, self.kernel_size, padding=self.padding, dtype=self.dtype, name="conv")(x)


class DenseBlock(nn.Module):
    """Convolutions of 3x3, each fed the block's input and the outputs of all before it.

    Attributes:
        num_convs: how many.
        growth_rate: channels that each adds.
        norm: makes a normalisation layer.
        dtype: type of the computation.
    """

    num_convs: int
    growth_rate: int
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n h w features"]:
        """The block's output for `x`, (N, H, W, C), as (N, H, W, C + num_convs * growth_rate)."""
        x = jnp.asarray(x)
        for number in range(1, self.num_convs + 1):
            block = ConvBlock(
                self.growth_rate, 3, padding=1, norm=self.norm, dtype=self.dtype, name=f"conv_block{number}"
            )
            x = jnp.concatenate([x, block(x, train=train)], axis=-1)
        return x


class Transition(nn.Module):
    """norm, relu, a convolution of 1x1 that reduces the channels, and average pooling that halves the size.

    Attributes:
        features: channels of the output.
        norm: makes a normalisation layer.
        dtype: type of the computation.
    """

    features: int
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n h_out w_out features"]:
        """The output for `x`, (N, H, W, C), as (N, H // 2, W // 2, features)."""
        x = ConvBlock(self.features, 1, norm=self.norm, dtype=self.dtype, name="conv_block")(x, train=train)
        return ops.avg_pool2d(x, 2)


class DenseNet(nn.Module):
    """The network of Huang, Liu, van der Maaten and Weinberger, 2016, as the chapter gives it.

        conv 64@7x7 stride 2 pad 3, norm, relu, max-pool 3/2 pad 1,
        dense blocks with transitions between them, each of which halves the channels,
        norm, relu, global average pool, dense num_classes

    It has 758,226 parameters on grayscale images with 10 classes; with four blocks 29x29 is the smallest image, since
    each transition halves the size.

    Attributes:
        growth_rate: channels that each convolution in a block adds.
        block_sizes: convolutions in each block.
        num_classes: how many logits there are.
        norm: makes a normalisation layer, called with `use_running_average` and `dtype`.
        dtype: type of the computation; parameters and statistics stay float32.

    Raises:
        ValueError: if the image is too small.

    Examples:
        >>> import jax
        >>> images = jnp.zeros((2, 96, 96, 1))
        >>> jax.eval_shape(partial(DenseNet().init_with_output, train=False), jax.random.key(0), images)[0].shape
        (2, 10)

    References:
        Section 4.12.
    """

    growth_rate: int = 32
    block_sizes: tuple[int, ...] = (4, 4, 4, 4)
    num_classes: int = 10
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n num_classes"]:
        """Logits of the images `x`, (N, H, W, C), as (N, num_classes)."""
        # The stem leaves a quarter, rounded up; each transition halves that, rounded down, and one pixel must be left.
        check_image_size(self, x, 4 * (2 ** (len(self.block_sizes) - 1) - 1) + 1)
        norm = partial(self.norm, use_running_average=not train, dtype=self.dtype)
        kinds = {"norm": self.norm, "dtype": self.dtype}
        x = Conv(64, 7, strides=2, padding=3, dtype=self.dtype, name="conv1")(x)
        x = ops.max_pool2d(nn.relu(norm(name="norm1")(x)), 3, strides=2, padding=1)
        for number, num_convs in enumerate(self.block_sizes, start=1):
            x = DenseBlock(num_convs, self.growth_rate, name=f"block{number}", **kinds)(x, train=train)
            if number < len(self.block_sizes):
                x = Transition(x.shape[-1] // 2, name=f"transition{number}", **kinds)(x, train=train)
        x = nn.relu(norm(name="norm2")(x))
        return Dense(self.num_classes, dtype=self.dtype, name="dense")(ops.global_avg_pool2d(x))
