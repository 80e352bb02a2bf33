"""Random flips, shifts and rotations."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray, Shaped

from jaxcnn.data.augmentation.pixels import from_floats
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
        check_shift(self.shift, images.shape)
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


@dataclass(frozen=True)
class Rotation:
    """Rotate each image about its center by a random angle, drawn independently for each image.

    The angle is uniform in [-degrees, degrees]. A pixel of the result is interpolated bilinearly between the four
    pixels around its place in the image; places outside the image are zero.

    Attributes:
        degrees: largest angle, more than 0 and at most 180.

    Raises:
        InputError: if the angle is out of its range.

    Examples:
        >>> images = jnp.ones((2, 8, 8, 3), jnp.uint8)
        >>> Rotation(15.0)(jax.random.key(0), images).shape
        (2, 8, 8, 3)
    """

    degrees: float

    def __post_init__(self) -> None:
        if not 0 < self.degrees <= 180:
            raise InputError(f"rotate {self.degrees:g}: expected degrees, more than 0 and at most 180")

    def __str__(self) -> str:
        return f"rotations to {self.degrees:g} degrees"

    def __call__(self, key: PRNGKeyArray, images: Shaped[Array, "n h w c"]) -> Shaped[Array, "n h w c"]:
        """Augment `images` with random numbers from `key`; keep their type and shape."""
        limit = jnp.deg2rad(jnp.float32(self.degrees))
        angles = jax.random.uniform(key, (len(images),), jnp.float32, -limit, limit)
        return from_floats(jax.vmap(_rotate)(images.astype(jnp.float32), angles), images.dtype)


def check_shift(shift: int, shape: tuple[int, ...]) -> None:
    """Check that images of `shape`, (N, H, W, C), are not shifted out of view.

    Raises:
        InputError: if they are.
    """
    size = min(shape[1:3])
    if shift and shift >= size:
        raise InputError(f"shift {shift}: expected less than {size} pixels, the size of the images")


def _rotate(image: Float[Array, "h w c"], angle: Float[Array, ""]) -> Float[Array, "h w c"]:
    """`image` rotated counterclockwise by `angle`, in radians."""
    height, width, _ = image.shape
    rows, columns = jnp.meshgrid(
        jnp.arange(height, dtype=jnp.float32) - (height - 1) / 2,
        jnp.arange(width, dtype=jnp.float32) - (width - 1) / 2,
        indexing="ij",
    )
    row = jnp.cos(angle) * rows + jnp.sin(angle) * columns + (height - 1) / 2
    column = jnp.cos(angle) * columns - jnp.sin(angle) * rows + (width - 1) / 2

    def interpolate(channel: Float[Array, "h w"]) -> Float[Array, "h w"]:
        return jax.scipy.ndimage.map_coordinates(channel, [row, column], order=1, mode="constant")

    return jax.vmap(interpolate, in_axes=2, out_axes=2)(image)
