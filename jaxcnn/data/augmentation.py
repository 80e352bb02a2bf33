"""Random augmentation of training images: pure functions inside the compiled loop."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, PRNGKeyArray, Shaped

from jaxcnn.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """Random horizontal flips and shifts, drawn independently for each image.

    Attributes:
        flip: whether to mirror each image left to right with probability 1/2.
        shift: maximum shift along each axis, in pixels. Shifts are uniform integers; the border is filled with zeros.

    Examples:
        >>> images = jnp.arange(4, dtype=jnp.uint8).reshape(1, 2, 2, 1)
        >>> moved = Augmentation(flip=True, shift=1)(jax.random.key(0), images)
        >>> moved.shape, moved.dtype
        ((1, 2, 2, 1), dtype('uint8'))
    """

    flip: bool = True
    shift: int = 0

    def __post_init__(self) -> None:
        if not (isinstance(self.shift, int) and self.shift >= 0):
            raise InputError(f"shift {self.shift}: expected an integer, 0 or more")

    def __str__(self) -> str:
        words = ["flips"] if self.flip else []
        if self.shift:
            words.append(f"shifts to {self.shift}")
        return ", ".join(words)

    def __call__(self, key: PRNGKeyArray, images: Shaped[Array, "n h w c"]) -> Shaped[Array, "n h w c"]:
        """Augment `images` with random numbers from `key`; keep their type and shape."""
        flip_key, shift_key = jax.random.split(key)
        if self.flip:
            mirrored = jax.random.bernoulli(flip_key, shape=(len(images), 1, 1, 1))
            images = jnp.where(mirrored, images[:, :, ::-1], images)
        if self.shift:
            margin = (self.shift, self.shift)
            padded = jnp.pad(images, ((0, 0), margin, margin, (0, 0)))
            corners = jax.random.randint(shift_key, (len(images), 2), 0, 2 * self.shift + 1)
            images = jax.vmap(lambda image, corner: lax.dynamic_slice(image, (*corner, 0), images.shape[1:]))(
                padded, corners
            )
        return images
