"""ResNet: blocks that add their output to their input."""

from collections.abc import Callable
from dataclasses import field
from functools import partial
from typing import Any, ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense, library_batch_norm
from jaxcnn.models.inputs import check_images


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut.

        relu(norm(conv(relu(norm(conv(x))))) + shortcut(x))

    Attributes:
        features: output channels.
        strides: step of the first convolution and of the shortcut, in pixels.
        project: whether the shortcut is a 1x1 convolution. It is required if the shape changes.
        use_bias: whether convolutions have biases. Without them, a norm follows the shortcut's convolution too.
        norm: constructor of a normalization layer.
        dtype: type of the computation.

    Raises:
        ValueError: if the shape changes and `project` is false.
    """

    expansion: ClassVar[int] = 1
    """Ratio of output channels to `features`."""

    features: int
    strides: int = 1
    project: bool = False
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n h_out w_out features"]:
        """Compute the block's output for `x`, (N, H, W, C), with shape (N, H_out, W_out, features)."""
        conv = partial(Conv, self.features, use_bias=self.use_bias, dtype=self.dtype)
        norm = partial(self.norm, use_running_average=not train, dtype=self.dtype)
        y = conv(3, strides=self.strides, padding=1, name="conv1")(x)
        y = nn.relu(norm(name="norm1")(y))
        y = norm(name="norm2")(conv(3, padding=1, name="conv2")(y))
        if self.project:
            x = conv(1, strides=self.strides, name="conv3")(x)
            x = x if self.use_bias else norm(name="norm3")(x)
        return _add(y, x)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, the last with four times the channels, with a shortcut.

    The 3x3 convolution has the stride, as is common today. In the paper the first 1x1 convolution has it.

    Attributes:
        features: channels of the first two convolutions.
        strides: step of the 3x3 convolution and of the shortcut, in pixels.
        project: whether the shortcut is a 1x1 convolution. It is required if the shape changes.
        use_bias: whether convolutions have biases. Without them, a norm follows the shortcut's convolution too.
        norm: constructor of a normalization layer.
        dtype: type of the computation.

    Raises:
        ValueError: if the shape changes and `project` is false.
    """

    expansion: ClassVar[int] = 4
    """Ratio of output channels to `features`."""

    features: int
    strides: int = 1
    project: bool = False
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32
    use_bias: bool = True

    @nn.compact
    def __call__(
        self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool
    ) -> Float[Array, "n h_out w_out features_out"]:
        """Compute the block's output for `x`, (N, H, W, C), with shape (N, H_out, W_out, 4 * features)."""
        conv = partial(Conv, use_bias=self.use_bias, dtype=self.dtype)
        norm = partial(self.norm, use_running_average=not train, dtype=self.dtype)
        wide = self.expansion * self.features
        y = nn.relu(norm(name="norm1")(conv(self.features, 1, name="conv1")(x)))
        y = nn.relu(norm(name="norm2")(conv(self.features, 3, strides=self.strides, padding=1, name="conv2")(y)))
        y = norm(name="norm3")(conv(wide, 1, name="conv3")(y))
        if self.project:
            x = conv(wide, 1, strides=self.strides, name="conv4")(x)
            x = x if self.use_bias else norm(name="norm4")(x)
        return _add(y, x)


def _add(y: Array, shortcut: ops.ArrayLike) -> Array:
    if y.shape != shortcut.shape:
        raise ValueError(
            f"residual block: expected an output {shortcut.shape} as the input, got {y.shape}; set project=True"
        )
    return nn.relu(y + shortcut)


class ResNet(nn.Module):
    """ResNet with any stages. `ResNet18`, which is the chapter's, `ResNet34` and `ResNet50` build those of the paper.

        conv 64@7x7 stride 2 pad 3, norm, relu, max-pool 3/2 pad 1, the stages, global average pool, dense num_classes

    Each stage has twice the channels of the previous one. The first block of every later stage has stride 2 and
    projects its shortcut. By default convolutions have biases, and projections have no norm, as in the chapter. With
    `use_bias=False` the network has the layers of torchvision's ResNet, whose weights fit it. It takes images of any
    size.

    Attributes:
        stage_sizes: number of blocks in each stage.
        block: `Residual` or `Bottleneck`.
        num_classes: number of logits.
        use_bias: whether convolutions have biases. Without them, a norm follows every convolution, also the
            projections.
        small_stem: whether the network begins with a 3x3 convolution of stride 1 without a pool, which keeps the size
            of small images, instead of the 7x7 convolution of stride 2 and the pool.
        norm: constructor of a normalization layer, called with `use_running_average`, `dtype` and `name`.
        dtype: type of the computation. Parameters and statistics are float32.

    Raises:
        ValueError: if the input is not a batch of float images.

    Examples:
        >>> import jax
        >>> images = jnp.zeros((2, 96, 96, 1))
        >>> jax.eval_shape(partial(ResNet().init_with_output, train=False), jax.random.key(0), images)[0].shape
        (2, 10)

    References:
        Section 4.11. K. He, X. Zhang, S. Ren and J. Sun, Deep Residual Learning for Image Recognition, 2015.
    """

    stage_sizes: tuple[int, ...] = (2, 2, 2, 2)
    block: type[Residual] | type[Bottleneck] = Residual
    num_classes: int = 10
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32
    use_bias: bool = field(default=True, metadata={"later": True})
    small_stem: bool = field(default=False, metadata={"later": True})

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n num_classes"]:
        """Compute the logits of a batch of images.

        Args:
            x: float images, (N, H, W, C), usually in [0, 1].
            train: whether `norm` uses the statistics of the batch and updates the moving ones in 'batch_stats'.

        Returns:
            Logits, (N, num_classes).
        """
        check_images(self, x)
        norm = partial(self.norm, use_running_average=not train, dtype=self.dtype)
        conv = partial(Conv, 64, use_bias=self.use_bias, dtype=self.dtype, name="conv1")
        x = conv(3, padding=1)(x) if self.small_stem else conv(7, strides=2, padding=3)(x)
        x = nn.relu(norm(name="norm1")(x))
        if not self.small_stem:
            x = ops.max_pool2d(x, 3, strides=2, padding=1)
        for stage, num_blocks in enumerate(self.stage_sizes):
            for number in range(num_blocks):
                is_first = number == 0
                block = self.block(
                    features=64 * 2**stage,
                    strides=2 if is_first and stage > 0 else 1,
                    project=is_first and (stage > 0 or self.block.expansion > 1),
                    use_bias=self.use_bias,
                    norm=self.norm,
                    dtype=self.dtype,
                    name=f"stage{stage + 1}_block{number + 1}",
                )
                x = block(x, train=train)
        return Dense(self.num_classes, dtype=self.dtype, name="dense")(ops.global_avg_pool2d(x))


def ResNet18(num_classes: int = 10, **fields: Any) -> ResNet:  # noqa: N802 -- the network's name
    """Build the chapter's ResNet: 18 layers, two `Residual` blocks in each of four stages.

    It has 11,178,378 parameters on grayscale images with 10 classes.

    Args:
        num_classes: number of logits.
        **fields: other fields of `ResNet`, such as `use_bias` and `norm`.

    Returns:
        A `ResNet`, called as `model.apply(variables, x, train=...)` with float images x (N, H, W, C). It returns
        logits, (N, num_classes).

    Examples:
        >>> ResNet18(num_classes=100).stage_sizes
        (2, 2, 2, 2)
        >>> ResNet18() == ResNet()
        True

    References:
        Section 4.11. K. He, X. Zhang, S. Ren and J. Sun, Deep Residual Learning for Image Recognition, 2015.
    """
    return ResNet(stage_sizes=(2, 2, 2, 2), num_classes=num_classes, **fields)


def ResNet34(num_classes: int = 10, **fields: Any) -> ResNet:  # noqa: N802 -- the network's name
    """Build a ResNet of 34 layers: 3, 4, 6 and 3 `Residual` blocks.

    It has 21,290,250 parameters on grayscale images with 10 classes.

    Args:
        num_classes: number of logits.
        **fields: other fields of `ResNet`, such as `use_bias` and `norm`.

    Returns:
        A `ResNet`, called as `model.apply(variables, x, train=...)` with float images x (N, H, W, C). It returns
        logits, (N, num_classes).

    Examples:
        >>> ResNet34(num_classes=100).stage_sizes
        (3, 4, 6, 3)

    References:
        K. He, X. Zhang, S. Ren and J. Sun, Deep Residual Learning for Image Recognition, 2015, table 1.
    """
    return ResNet(stage_sizes=(3, 4, 6, 3), num_classes=num_classes, **fields)


def ResNet50(num_classes: int = 10, **fields: Any) -> ResNet:  # noqa: N802 -- the network's name
    """Build a ResNet of 50 layers: 3, 4, 6 and 3 `Bottleneck` blocks.

    It has 23,541,130 parameters on grayscale images with 10 classes.

    Args:
        num_classes: number of logits.
        **fields: other fields of `ResNet`, such as `use_bias` and `norm`.

    Returns:
        A `ResNet`, called as `model.apply(variables, x, train=...)` with float images x (N, H, W, C). It returns
        logits, (N, num_classes).

    Examples:
        >>> model = ResNet50(num_classes=100)
        >>> model.stage_sizes, model.block.__name__
        ((3, 4, 6, 3), 'Bottleneck')

    References:
        K. He, X. Zhang, S. Ren and J. Sun, Deep Residual Learning for Image Recognition, 2015, table 1.
    """
    return ResNet(stage_sizes=(3, 4, 6, 3), block=Bottleneck, num_classes=num_classes, **fields)
