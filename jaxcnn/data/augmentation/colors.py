"""Random brightness."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, PRNGKeyArray, Shaped

from jaxcnn.data.augmentation.pixels import from_floats
from jaxcnn.errors import InputError


@dataclass(frozen=True)
class Brightness:
    """Multiply each image by a random factor, drawn independently for each image.

    The factor is uniform in [1 - strength, 1 + strength]. Values above the maximum are clipped.

    Attributes:
        strength: more than 0 and at most 1.

    Raises:
        InputError: if the strength is out of its range.

    Examples:
        >>> images = jnp.full((100, 1, 1, 3), 100, jnp.uint8)
        >>> brighter = Brightness(0.2)(jax.random.key(0), images)
        >>> int(brighter.min()) >= 80, int(brighter.max()) <= 120
        (True, True)
    """

    strength: float

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise InputError(f"brightness {self.strength:g}: expected more than 0 and at most 1")

    def __str__(self) -> str:
        return f"brightness by {self.strength:g}"

    def __call__(self, key: PRNGKeyArray, images: Shaped[Array, "n h w c"]) -> Shaped[Array, "n h w c"]:
        """Augment `images` with random numbers from `key`; keep their type and shape."""
        factors = jax.random.uniform(key, (len(images), 1, 1, 1), jnp.float32, 1 - self.strength, 1 + self.strength)
        return from_floats(images.astype(jnp.float32) * factors, images.dtype)
