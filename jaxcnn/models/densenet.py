"""DenseNet: blocks in which every convolution gets the outputs of all previous ones."""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense, library_batch_norm
from jaxcnn.models.inputs import check_images


class ConvBlock(nn.Module):
    """A norm, a relu, a pool if there is one, and a convolution.

    Attributes:
        features: output channels.
        kernel_size: height and width of the kernel.
        padding: zeros around the input, in pixels.
        pool: function of the activations before the convolution, or None.
        norm: constructor of a normalization layer.
        dtype: type of the computation.
    """

    features: int
    kernel_size: int
    padding: int = 0
    pool: Callable[[Array], Array] | None = None
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n h_out w_out features"]:
        """Compute the block's output for `x`, (N, H, W, C), with shape (N, H_out, W_out, features)."""
        x = nn.relu(self.norm(use_running_average=not train, dtype=self.dtype, name="norm")(x))
        if self.pool is not None:
            x = self.pool(x)
        return Conv(self.features, self.kernel_size, padding=self.padding, dtype=self.dtype, name="conv")(x)


class DenseBlock(nn.Module):
    """3x3 convolutions, each of which gets the block's input and the outputs of all previous ones.

    Attributes:
        num_convs: number of convolutions.
        growth_rate: channels that each convolution adds.
        norm: constructor of a normalization layer.
        dtype: type of the computation.
    """

    num_convs: int
    growth_rate: int
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n h w features"]:
        """Compute the block's output for `x`, (N, H, W, C), with shape (N, H, W, C + num_convs * growth_rate)."""
        x = jnp.asarray(x)
        for number in range(1, self.num_convs + 1):
            block = ConvBlock(
                self.growth_rate, 3, padding=1, norm=self.norm, dtype=self.dtype, name=f"conv_block{number}"
            )
            x = jnp.concatenate([x, block(x, train=train)], axis=-1)
        return x


class Transition(nn.Module):
    """A norm, a relu, a 1x1 convolution that reduces the channels, and average pooling that halves the size.

    The pool comes before the convolution. The order does not change the result, because the mean of the products of a
    1x1 convolution is the product of the mean, and this order has a quarter of the products.

    Attributes:
        features: output channels.
        clip_window: whether to clip the pooling window to the feature map, so that an axis of length 1 keeps its
            length. If false, such a map raises an error.
        norm: constructor of a normalization layer.
        dtype: type of the computation.

    Raises:
        ValueError: if the feature map has one row or column and `clip_window` is false.
    """

    features: int
    clip_window: bool = False
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n h_out w_out features"]:
        """Compute the output for `x`, (N, H, W, C), with shape (N, max(1, H // 2), max(1, W // 2), features)."""
        _, height, width, _ = x.shape
        window = (min(2, height), min(2, width)) if self.clip_window else (2, 2)
        pool = partial(ops.avg_pool2d, window_shape=window)
        block = ConvBlock(self.features, 1, pool=pool, norm=self.norm, dtype=self.dtype, name="conv_block")
        return block(x, train=train)


class DenseNet(nn.Module):
    """DenseNet as in the chapter.

        conv 64@7x7 stride 2 pad 3, norm, relu, max-pool 3/2 pad 1,
        dense blocks with transitions between them, each of which halves the channels,
        norm, relu, global average pool, dense num_classes

    It has 758,226 parameters on grayscale images with 10 classes. Each transition halves the size, so four blocks need
    images of at least 29x29 pixels.

    The book trains on 28x28. At this size the last transition pools a map of one pixel. PyTorch before 1.2 returned it
    unchanged; later versions raise an error. `clip_window=True` also returns it unchanged and accepts images of any
    size.

    Attributes:
        growth_rate: channels that each convolution in a block adds.
        block_sizes: number of convolutions in each block.
        num_classes: number of logits.
        clip_window: whether transitions keep maps of one pixel, as for `Transition`.
        norm: constructor of a normalization layer, called with `use_running_average`, `dtype` and `name`.
        dtype: type of the computation. Parameters and statistics are float32.

    Raises:
        ValueError: if the input is not a batch of float images, or they are too small and `clip_window` is false.

    Examples:
        >>> import jax
        >>> def logits_of(model, size):
        ...     init = partial(model.init_with_output, train=False)
        ...     return jax.eval_shape(init, jax.random.key(0), jnp.zeros((2, size, size, 1)))[0]
        >>> logits_of(DenseNet(), 96).shape, logits_of(DenseNet(clip_window=True), 28).shape
        ((2, 10), (2, 10))

    References:
        Section 4.12. G. Huang, Z. Liu, L. van der Maaten and K. Weinberger, Densely Connected Convolutional Networks,
        2016.
    """

    growth_rate: int = 32
    block_sizes: tuple[int, ...] = (4, 4, 4, 4)
    num_classes: int = 10
    clip_window: bool = False
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n num_classes"]:
        """Compute the logits of a batch of images.

        Args:
            x: float images, (N, H, W, C), usually in [0, 1].
            train: whether `norm` uses the statistics of the batch and updates the moving ones in 'batch_stats'.

        Returns:
            Logits, (N, num_classes).
        """
        # The stem divides the size by 4, rounded up, and each transition by 2, rounded down. One pixel must remain.
        check_images(self, x, min_size=1 if self.clip_window else 4 * (2 ** (len(self.block_sizes) - 1) - 1) + 1)
        norm = partial(self.norm, use_running_average=not train, dtype=self.dtype)
        options = {"norm": self.norm, "dtype": self.dtype}
        x = Conv(64, 7, strides=2, padding=3, dtype=self.dtype, name="conv1")(x)
        x = ops.max_pool2d(nn.relu(norm(name="norm1")(x)), 3, strides=2, padding=1)
        for number, num_convs in enumerate(self.block_sizes, start=1):
            x = DenseBlock(num_convs, self.growth_rate, name=f"block{number}", **options)(x, train=train)
            if number < len(self.block_sizes):
                half = x.shape[-1] // 2
                x = Transition(half, self.clip_window, name=f"transition{number}", **options)(x, train=train)
        x = nn.relu(norm(name="norm2")(x))
        return Dense(self.num_classes, dtype=self.dtype, name="dense")(ops.global_avg_pool2d(x))
