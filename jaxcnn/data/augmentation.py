"""Random changes of the training images that leave their labels true; pure functions inside the compiled loop."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, PRNGKeyArray, Shaped


@dataclass(frozen=True)
class Augmentation:
    """Flips and shifts, drawn for each image.

    Attributes:
        flip: whether half of the images are mirrored, left to right.
        shift: most pixels that an image is moved by along each axis, each distance as likely; zeros move in.

    Examples:
        >>> images = jnp.arange(4, dtype=jnp.uint8).reshape(1, 2, 2, 1)
        >>> moved = Augmentation(flip=True, shift=1)(jax.random.key(0), images)
        >>> moved.shape, moved.dtype
        ((1, 2, 2, 1), dtype('uint8'))
    """

    flip: bool = True
    shift: int = 0

    def __str__(self) -> str:
        words = ["flips"] if self.flip else []
        if self.shift:
            words.append(f"shifts to {self.shift}")
        return ", ".join(words)

    def __call__(self, key: PRNGKeyArray, images: Shaped[Array, "n h w c"]) -> Shaped[Array, "n h w c"]:
        """The images changed as `key` has it; their type and shape stay."""
        flip_key, shift_key = jax.random.split(key)
        if self.flip:
            mirrored = jax.random.bernoulli(flip_key, shape=(len(images), 1, 1, 1))
            images = jnp.where(mirrored, images[:, :, ::-1], images)
        if self.shift:
            around = (self.shift, self.shift)
            padded = jnp.pad(images, ((0, 0), around, around, (0, 0)))
            corners = jax.random.randint(shift_key, (len(images), 2), 0, 2 * self.shift + 1)
            images = jax.vmap(lambda image, corner: lax.dynamic_slice(image, (*corner, 0), images.shape[1:]))(
                padded, corners
            )
        return images
