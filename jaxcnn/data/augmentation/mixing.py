"""Mixing of the images and labels of a batch: mixup and CutMix.

The partner of image i of N is image N - 1 - i. The order of an epoch is random, so the partner is too. Each image keeps
a share of at least 1/2, so its own label has the largest share of the target.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, PRNGKeyArray

from jaxcnn.data.augmentation.erasing import rectangles
from jaxcnn.errors import InputError


class Mixed(NamedTuple):
    """The mixed images of a batch and the targets of the loss.

    Attributes:
        images: (N, H, W, C).
        other_labels: (N,), the label of each image's partner.
        shares: (N,), the share of the target that each image's own label has, from 1/2 to 1. The partner's label has
            the rest.
    """

    images: Float[Array, "n h w c"]
    other_labels: Integer[Array, " n"]
    shares: Float[Array, " n"]


Mixing = Callable[[PRNGKeyArray, Array, Array], Mixed]
"""A function of a key, images, (N, H, W, C), floats, and labels, (N,), that returns them mixed."""


@dataclass(frozen=True)
class Mixup:
    """Average each image with its partner, with a random weight for each image.

        image_i = share_i * image_i + (1 - share_i) * image_(N-1-i),    share_i = max(b_i, 1 - b_i)

    with b_i from the beta distribution Beta(alpha, alpha).

    Attributes:
        alpha: parameter of the distribution, from 0.001 to 1000. A larger alpha mixes more: with 1, b_i is uniform.

    Raises:
        InputError: if alpha is out of its range.

    Examples:
        >>> images, labels = jnp.eye(4).reshape(4, 2, 2, 1), jnp.arange(4)
        >>> mixed = Mixup(1.0)(jax.random.key(0), images, labels)
        >>> mixed.other_labels.tolist(), bool((mixed.shares >= 0.5).all())
        ([3, 2, 1, 0], True)

    References:
        Zhang, Cisse, Dauphin and Lopez-Paz, mixup: Beyond Empirical Risk Minimization, 2018, equation 1, with one
        weight for each image in place of one for each batch.
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        _check_alpha("mixup", self.alpha)

    def __str__(self) -> str:
        return f"mixup {self.alpha:g}"

    def __call__(self, key: PRNGKeyArray, images: Float[Array, "n h w c"], labels: Integer[Array, " n"]) -> Mixed:
        """Mix `images` with random numbers from `key`; keep their type and shape."""
        shares = _shares(key, self.alpha, len(images))
        weights = shares[:, None, None, None].astype(images.dtype)
        return Mixed(weights * images + (1 - weights) * images[::-1], labels[::-1], shares)


@dataclass(frozen=True)
class CutMix:
    """Replace a random rectangle of each image with the same rectangle of its partner.

    The rectangle has the aspect ratio of the image and the share 1 - max(b_i, 1 - b_i) of its area, with b_i from the
    beta distribution Beta(alpha, alpha). Its sides are rounded down, its center is uniform, and the part outside the
    image is cut off. The share of the target is the share of the pixels that the image keeps.

    Attributes:
        alpha: parameter of the distribution, from 0.001 to 1000. With 1, b_i is uniform.

    Raises:
        InputError: if alpha is out of its range.

    Examples:
        >>> images, labels = jnp.zeros((2, 8, 8, 1)).at[1].set(1.0), jnp.arange(2)
        >>> mixed = CutMix(1.0)(jax.random.key(0), images, labels)
        >>> bool(jnp.allclose(mixed.images[0].mean(), 1 - mixed.shares[0]))
        True

    References:
        Yun and others, CutMix: Regularization Strategy to Train Strong Classifiers, 2019, equations 1 and 2, with one
        rectangle for each image in place of one for each batch.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check_alpha("cutmix", self.alpha)

    def __str__(self) -> str:
        return f"CutMix {self.alpha:g}"

    def __call__(self, key: PRNGKeyArray, images: Float[Array, "n h w c"], labels: Integer[Array, " n"]) -> Mixed:
        """Mix `images` with random numbers from `key`; keep their type and shape."""
        n, height, width, _ = images.shape
        share_key, center_key = jax.random.split(key)
        size = jnp.array([[height, width]])
        sides = jnp.floor(size.astype(jnp.float32) * jnp.sqrt(1 - _shares(share_key, self.alpha, n))[:, None]).astype(
            int
        )
        corner = jax.random.randint(center_key, (n, 2), 0, size) - sides // 2
        is_other = rectangles(corner, corner + sides, height, width)
        shares = 1 - is_other.mean((1, 2, 3), dtype=jnp.float32)
        return Mixed(jnp.where(is_other, images[::-1], images), labels[::-1], shares)


@dataclass(frozen=True)
class OneOf:
    """Mix each image by one of two mixings, with probability 1/2 each.

    Attributes:
        first: a mixing.
        second: another mixing.

    Examples:
        >>> str(OneOf(Mixup(0.2), CutMix(1.0)))
        'mixup 0.2 or CutMix 1'
    """

    first: Mixing
    second: Mixing

    def __str__(self) -> str:
        return f"{self.first} or {self.second}"

    def __call__(self, key: PRNGKeyArray, images: Float[Array, "n h w c"], labels: Integer[Array, " n"]) -> Mixed:
        """Mix `images` with random numbers from `key`; keep their type and shape."""
        choice_key, first_key, second_key = jax.random.split(key, 3)
        takes_first = jax.random.bernoulli(choice_key, shape=(len(images),))
        first, second = self.first(first_key, images, labels), self.second(second_key, images, labels)
        return jax.tree.map(lambda a, b: jnp.where(takes_first.reshape(-1, *[1] * (a.ndim - 1)), a, b), first, second)


def _shares(key: PRNGKeyArray, alpha: float, n: int) -> Float[Array, " n"]:
    drawn = jax.random.beta(key, alpha, alpha, (n,), jnp.float32)
    return jnp.maximum(drawn, 1 - drawn)


def _check_alpha(name: str, alpha: float) -> None:
    if not 1e-3 <= alpha <= 1e3:
        raise InputError(f"{name} {alpha:g}: expected alpha, from 0.001 to 1000")
