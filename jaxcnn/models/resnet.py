"""ResNet: blocks that add to their input what they make of it."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from jaxcnn import ops
from jaxcnn.layers import Conv, Dense, library_batch_norm


class Residual(nn.Module):
    """Two convolutions of 3x3 beside a shortcut.

        relu(norm(conv(relu(norm(conv(x))))) + shortcut(x))

    Attributes:
        features: channels of the output.
        strides: step of the first convolution and of the shortcut.
        project: whether the shortcut is a convolution of 1x1, without norm; needed where the shape changes.
        norm: makes a normalisation layer.
        dtype: type of the computation.

    Raises:
        ValueError: if the shape changes and `project` is false.
    """

    expansion: ClassVar[int] = 1
    """Channels of the output for each of `features`."""

    features: int
    strides: int = 1
    project: bool = False
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n h_out w_out features"]:
        """The block's output for `x`, (N, H, W, C), as (N, H_out, W_out, features)."""
        conv = partial(Conv, self.features, dtype=self.dtype)
        norm = partial(self.norm, use_running_average=not train, dtype=self.dtype)
        y = conv(3, strides=self.strides, padding=1, name="conv1")(x)
        y = nn.relu(norm(name="norm1")(y))
        y = norm(name="norm2")(conv(3, padding=1, name="conv2")(y))
        shortcut = conv(1, strides=self.strides, name="conv3")(x) if self.project else x
        return _joined(y, shortcut)


class Bottleneck(nn.Module):
    """Convolutions of 1x1, 3x3 and 1x1, the last with four times the channels, beside a shortcut.

    The step is taken by the 3x3, as is usual since; in the paper it is taken by the first 1x1.

    Attributes:
        features: channels of the first two convolutions.
        strides: step of the 3x3 and of the shortcut.
        project: whether the shortcut is a convolution of 1x1, without norm; needed where the shape changes.
        norm: makes a normalisation layer.
        dtype: type of the computation.

    Raises:
        ValueError: if the shape changes and `project` is false.
    """

    expansion: ClassVar[int] = 4
    """Channels of the output for each of `features`."""

    features: int
    strides: int = 1
    project: bool = False
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool
    ) -> Float[Array, "n h_out w_out features_out"]:
        """The block's output for `x`, (N, H, W, C), as (N, H_out, W_out, 4 * features)."""
        conv = partial(Conv, dtype=self.dtype)
        norm = partial(self.norm, use_running_average=not train, dtype=self.dtype)
        wide = self.expansion * self.features
        y = nn.relu(norm(name="norm1")(conv(self.features, 1, name="conv1")(x)))
        y = nn.relu(norm(name="norm2")(conv(self.features, 3, strides=self.strides, padding=1, name="conv2")(y)))
        y = norm(name="norm3")(conv(wide, 1, name="conv3")(y))
        shortcut = conv(wide, 1, strides=self.strides, name="conv4")(x) if self.project else x
        return _joined(y, shortcut)


def _joined(y: Array, shortcut: ops.ArrayLike) -> Array:
    if y.shape != shortcut.shape:
        raise ValueError(
            f"a residual block adds {y.shape} to its input {shortcut.shape}: project=True makes them alike"
        )
    return nn.relu(y + shortcut)


class ResNet(nn.Module):
    """The network of He, Zhang, Ren and Sun, 2015, as the chapter gives it.

        conv 64@7x7 stride 2 pad 3, norm, relu, max-pool 3/2 pad 1, the stages, global average pool, dense num_classes

    Each stage has twice the channels of the last. The first block of each stage but the first has stride 2 and projects
    its shortcut. `ResNet18`, `ResNet34` and `ResNet50` are the paper's; the first is the chapter's and has 11,178,378
    parameters on grayscale images with 10 classes. All take images of any size.

    Attributes:
        stage_sizes: blocks in each stage.
        block: `Residual` or `Bottleneck`.
        num_classes: how many logits there are.
        norm: makes a normalisation layer, called with `use_running_average` and `dtype`.
        dtype: type of the computation; parameters and statistics stay float32.

    Examples:
        >>> import jax
        >>> images = jnp.zeros((2, 96, 96, 1))
        >>> jax.eval_shape(partial(ResNet().init_with_output, train=False), jax.random.key(0), images)[0].shape
        (2, 10)

    References:
        Section 4.11.
    """

    stage_sizes: tuple[int, ...] = (2, 2, 2, 2)
    block: type[Residual] | type[Bottleneck] = Residual
    num_classes: int = 10
    norm: Callable[..., nn.Module] = library_batch_norm
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Shaped[ops.ArrayLike, "n h w c"], *, train: bool) -> Float[Array, "n num_classes"]:
        """Logits of the images `x`, (N, H, W, C), as (N, num_classes)."""
        norm = partial(self.norm, use_running_average=not train, dtype=self.dtype)
        x = Conv(64, 7, strides=2, padding=3, dtype=self.dtype, name="conv1")(x)
        x = ops.max_pool2d(nn.relu(norm(name="norm1")(x)), 3, strides=2, padding=1)
        for stage, num_blocks in enumerate(self.stage_sizes):
            for number in range(num_blocks):
                begins = number == 0
                block = self.block(
                    features=64 * 2**stage,
                    strides=2 if begins and stage > 0 else 1,
                    project=begins and (stage > 0 or self.block.expansion > 1),
                    norm=self.norm,
                    dtype=self.dtype,
                    name=f"stage{stage + 1}_block{number + 1}",
                )
                x = block(x, train=train)
        return Dense(self.num_classes, dtype=self.dtype, name="dense")(ops.global_avg_pool2d(x))


ResNet18 = partial(ResNet, stage_sizes=(2, 2, 2, 2))
ResNet34 = partial(ResNet, stage_sizes=(3, 4, 6, 3))
ResNet50 = partial(ResNet, stage_sizes=(3, 4, 6, 3), block=Bottleneck)
