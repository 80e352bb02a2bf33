"""Random augmentation of training images: pure functions of a key and the images of a step, inside the compiled loop.

`parse_augmentation("flip,shift:2,erase:0.5")` makes a chain of them from their names.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int, PRNGKeyArray, Shaped

from jaxcnn.errors import InputError

Transform = Callable[[PRNGKeyArray, Array], Array]
"""A function of a key and images, (N, H, W, C), that returns images of the same type and shape."""


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


@dataclass(frozen=True)
class RandomErasing:
    """Replace a random rectangle of an image by zeros, independently for each image.

    The area of the rectangle is uniform in [min_area, max_area] times that of the image, and the logarithm of its ratio
    of height to width is uniform in [-log(max_aspect), log(max_aspect)]. Sides longer than the image's are cut to them.
    The position is uniform.

    Attributes:
        probability: probability that an image gets a rectangle.
        min_area: smallest share of the image.
        max_area: largest share of the image.
        max_aspect: largest ratio of the longer side to the shorter one.

    Raises:
        InputError: if a number is out of its range.

    Examples:
        >>> erased = RandomErasing(1.0)(jax.random.key(0), jnp.ones((2, 8, 8, 1), jnp.uint8))
        >>> erased.shape, bool((erased == 0).any((1, 2, 3)).all())
        ((2, 8, 8, 1), True)

    References:
        Zhong and others, Random Erasing Data Augmentation, 2017, which draws again if a rectangle does not fit.
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
        return f"erasing with probability {self.probability:g}"

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
        return jnp.where(is_erased & _rectangles(corner, corner + sides, height, width), 0, images)


@dataclass(frozen=True)
class Cutout:
    """Replace a square of an image by zeros, independently for each image.

    The center of the square is a uniform pixel of the image. The part of the square outside the image is cut off.

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
        return jnp.where(_rectangles(corner, corner + self.size, height, width), 0, images)


@dataclass(frozen=True)
class Chain:
    """Several augmentations, one after the other, each with its own key.

    Attributes:
        transforms: the augmentations.

    Examples:
        >>> str(Chain((Augmentation(flip=True, shift=2), Cutout(8))))
        'flips, shifts to 2, cutout of 8'
    """

    transforms: tuple[Transform, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.transforms))

    def __call__(self, key: PRNGKeyArray, images: Shaped[Array, "n h w c"]) -> Shaped[Array, "n h w c"]:
        """Augment `images` with random numbers from `key`; keep their type and shape."""
        for index, transform in enumerate(self.transforms):
            images = transform(jax.random.fold_in(key, index), images)
        return images


def parse_augmentation(text: str) -> Transform | None:
    """Make the augmentation that `text` names.

        none          no augmentation
        flip          mirror left to right with probability 1/2
        shift:PIXELS  shift along each axis by at most so many pixels
        erase:P       erase a random rectangle with probability P
        cutout:PIXELS erase a square with this side

    Several are separated by commas and applied in the order of this list: each at most once.

    Raises:
        InputError: if a name is unknown or given twice, or a number is missing or out of its range.

    Examples:
        >>> str(parse_augmentation("flip,shift:2,erase:0.5"))
        'flips, shifts to 2, erasing with probability 0.5'
    """
    if text == "none":
        return None
    given: dict[str, float | int] = {}
    for part in text.split(","):
        name, _, value = part.partition(":")
        kind = _NAMES.get(name)
        if kind is None or name in given or bool(value) != (kind is not bool):
            raise InputError(f"--augment {text}: expected none, or some of {_FORMS}, each once, separated by commas")
        try:
            given[name] = True if kind is bool else kind(value)
        except ValueError as error:
            what = "an integer" if kind is int else "a number"
            raise InputError(f"--augment {text}: {value!r} is not {what}, as in {_FORMS}") from error
    if given.get("shift") == 0:
        raise InputError(f"--augment {text}: expected a shift of 1 pixel or more")
    try:
        return _augmentation(given)
    except InputError as error:
        raise InputError(f"--augment {text}: {error}") from error


def _augmentation(given: Mapping[str, float | int]) -> Transform:
    """The augmentation with these parts, by their names."""
    transforms: list[Transform] = []
    if {"flip", "shift"} & set(given):
        transforms.append(Augmentation(flip="flip" in given, shift=int(given.get("shift", 0))))
    if "erase" in given:
        transforms.append(RandomErasing(given["erase"]))
    if "cutout" in given:
        transforms.append(Cutout(int(given["cutout"])))
    return transforms[0] if len(transforms) == 1 else Chain(tuple(transforms))


def name_augmentation(transform: Transform | None) -> str | None:
    """The text for `parse_augmentation` that gives `transform`; None if no text does.

    Examples:
        >>> name_augmentation(Chain((Augmentation(flip=True, shift=2), Cutout(8))))
        'flip,shift:2,cutout:8'
    """
    names = []
    for part in transform.transforms if isinstance(transform, Chain) else [transform]:
        match part:
            case Augmentation(flip=flip, shift=shift):
                names += [*(["flip"] if flip else []), *([f"shift:{shift}"] if shift else [])]
            case RandomErasing(probability=probability):
                names.append(f"erase:{probability!r}")
            case Cutout(size=size):
                names.append(f"cutout:{size}")
    text = ",".join(names) or "none"
    return text if parse_augmentation(text) == transform else None


_NAMES: dict[str, type] = {"flip": bool, "shift": int, "erase": float, "cutout": int}
_FORMS = "flip, shift:2, erase:0.5 and cutout:8"


def _rectangles(
    start: Int[Array, "n 2"], stop: Int[Array, "n 2"], height: int, width: int
) -> Bool[Array, "n height width 1"]:
    """For each image, whether a pixel is in the rows and columns from `start` to before `stop`."""
    inside = []
    for axis, size in enumerate((height, width)):
        pixels = jnp.arange(size)[None]
        inside.append((pixels >= start[:, axis, None]) & (pixels < stop[:, axis, None]))
    return inside[0][:, :, None, None] & inside[1][:, None, :, None]
