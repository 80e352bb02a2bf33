"""Random rectangles that are replaced with zeros."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, PRNGKeyArray, Shaped

from jaxcnn.errors import InputError


@dataclass(frozen=True)
class RandomErasing:
    """Replace a random rectangle of each image with zeros, drawn independently for each image.

    The area of the rectangle is uniform in [min_area, max_area] times that of the image, and the logarithm of its ratio
    of height to width is uniform in [-log(max_aspect), log(max_aspect)]. Sides are clipped to those of the image. The
    position is uniform.

    Attributes:
        probability: probability that an image gets a rectangle.
        min_area: smallest area, as a share of the image.
        max_area: largest area, as a share of the image.
        max_aspect: largest ratio of the longer side to the shorter one.

    Raises:
        InputError: if a number is out of its range.

    Examples:
        >>> erased = RandomErasing(1.0)(jax.random.key(0), jnp.ones((2, 8, 8, 1), jnp.uint8))
        >>> erased.shape, bool((erased == 0).any((1, 2, 3)).all())
        ((2, 8, 8, 1), True)

    References:
        Zhong and others, Random Erasing Data Augmentation, 2017. The paper draws again if a rectangle does not fit.
    """

    probability: float = 0.5
    min_area: float = 0.02
    max_area: float = 0.33
    max_aspect: float = 3.3

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise InputError(f"erase {self.probability}: expected a probability, from 0 to 1")
        if not 0 < self.min_area <= self.max_area <= 1:
            raise InputError(f"areas {self.min_area} and {self.max_area}: expected 0 < min_area <= max_area <= 1")
        if not self.max_aspect >= 1:
            raise InputError(f"max_aspect {self.max_aspect}: expected 1 or more")

    def __str__(self) -> str:
        return f"erasing {self.probability:g}"

    def __call__(self, key: PRNGKeyArray, images: Shaped[Array, "n h w c"]) -> Shaped[Array, "n h w c"]:
        """Augment `images` with random numbers from `key`; keep their type and shape."""
        n, height, width, _ = images.shape
        choice_key, area_key, aspect_key, corner_key = jax.random.split(key, 4)
        share = jax.random.uniform(area_key, (n,), jnp.float32, self.min_area, self.max_area)
        area = height * width * share
        limit = math.log(self.max_aspect)
        aspect = jnp.exp(jax.random.uniform(aspect_key, (n,), jnp.float32, -limit, limit))
        sides = jnp.stack([jnp.sqrt(area * aspect), jnp.sqrt(area / aspect)], axis=1)
        size = jnp.array([[height, width]])
        sides = jnp.clip(jnp.round(sides).astype(int), 1, size)
        free = (size - sides + 1).astype(jnp.float32)
        corner = jnp.floor(jax.random.uniform(corner_key, (n, 2), jnp.float32) * free).astype(int)
        is_erased = jax.random.bernoulli(choice_key, self.probability, (n, 1, 1, 1))
        return jnp.where(is_erased & rectangles(corner, corner + sides, height, width), 0, images)


@dataclass(frozen=True)
class Cutout:
    """Replace a random square of each image with zeros, drawn independently for each image.

    The center of the square is uniform over the pixels of the image. The part outside the image is cut off.

    Attributes:
        size: side of the square, in pixels.

    Raises:
        InputError: if the size is below 1.

    Examples:
        >>> cut = Cutout(2)(jax.random.key(0), jnp.ones((5, 8, 8, 1), jnp.uint8))
        >>> int((cut == 0).sum((1, 2, 3)).max())
        4

    References:
        DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017.
    """

    size: int

    def __post_init__(self) -> None:
        if not (isinstance(self.size, int) and self.size >= 1):
            raise InputError(f"cutout {self.size}: expected the side of a square, an integer, 1 or more pixels")

    def __str__(self) -> str:
        return f"cutout of {self.size}"

    def __call__(self, key: PRNGKeyArray, images: Shaped[Array, "n h w c"]) -> Shaped[Array, "n h w c"]:
        """Augment `images` with random numbers from `key`; keep their type and shape."""
        n, height, width, _ = images.shape
        corner = jax.random.randint(key, (n, 2), 0, jnp.array([[height, width]])) - self.size // 2
        return jnp.where(rectangles(corner, corner + self.size, height, width), 0, images)


def rectangles(
    start: Int[Array, "n 2"], stop: Int[Array, "n 2"], height: int, width: int
) -> Bool[Array, "n height width 1"]:
    """For each image, whether a pixel is in the rows and columns from `start` to before `stop`."""
    inside = []
    for axis, size in enumerate((height, width)):
        pixels = jnp.arange(size)[None]
        inside.append((pixels >= start[:, axis, None]) & (pixels < stop[:, axis, None]))
    return inside[0][:, :, None, None] & inside[1][:, None, :, None]
