"""Augmentations one after the other."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
from jaxtyping import Array, PRNGKeyArray, Shaped

Transform = Callable[[PRNGKeyArray, Array], Array]
"""A function of a key and images, (N, H, W, C), that returns images of the same type and shape."""


@dataclass(frozen=True)
class Chain:
    """Several augmentations, one after the other, each with its own key.

    Attributes:
        transforms: the augmentations.

    Examples:
        >>> from jaxcnn.data import Augmentation, Cutout
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
