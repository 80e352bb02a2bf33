"""Normalization of the input of a network by the mean and standard deviation of the training images."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcnn.data.data_sources import DataSource
from jaxcnn.errors import InputError

_BATCH = 256  # images that are read at once


@dataclass(frozen=True)
class Normalization:
    """Subtraction of a mean and division by a standard deviation, for each channel.

        y[..., c] = (x[..., c] - mean_c) / std_c

    Attributes:
        mean: mean of each channel, for pixels in [0, 1].
        std: standard deviation of each channel, above 0.

    Raises:
        InputError: if `mean` and `std` differ in length, or a number is not finite, or a `std` is not above 0.

    Examples:
        >>> Normalization((0.5,), (0.25,))(jnp.ones((1, 1, 1, 1))).item()
        2.0
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(self.mean))
        object.__setattr__(self, "std", tuple(self.std))
        if len(self.mean) != len(self.std) or not self.mean:
            raise InputError(f"mean {self.mean} and std {self.std}: expected one number for each channel")
        if not (np.isfinite([*self.mean, *self.std]).all() and min(self.std) > 0):
            raise InputError(f"mean {self.mean} and std {self.std}: expected finite numbers, and std above 0")

    def __str__(self) -> str:
        mean, std = (", ".join(f"{value:.3f}" for value in values) for values in (self.mean, self.std))
        return f"normalized by mean {mean} and std {std}"

    def __call__(self, images: Float[Array, "n h w c"]) -> Float[Array, "n h w c"]:
        """Normalize images with pixels in [0, 1]; keep their type and shape."""
        if images.shape[-1] != len(self.mean):
            raise ValueError(f"images of shape {images.shape}: expected {len(self.mean)} channels, as mean has")
        mean, std = (jnp.array(values, images.dtype)[None, None, None] for values in (self.mean, self.std))
        return (images - mean) / std

    @classmethod
    def of_images(cls, source: DataSource) -> "Normalization":
        """The mean and the standard deviation of each channel over all pixels and images of `source`.

        The sums are integers, so the result is exact and does not depend on the order of the images. A channel
        with the same value everywhere gets the standard deviation 1.

        Examples:
            >>> from jaxcnn.data import ArraySource
            >>> images = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
            >>> Normalization.of_images(ArraySource(images, np.zeros(2, np.uint8)))
            Normalization(mean=(0.5,), std=(0.5,))
        """
        indices = np.arange(len(source))
        batches = [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
        count, total, squares = 0, np.int64(0), np.int64(0)
        for images, _ in source.batches(batches):
            pixels = images.reshape(-1, images.shape[-1]).astype(np.int64)
            count += len(pixels)
            total += pixels.sum(axis=0)
            squares += (pixels**2).sum(axis=0)
        mean = [int(sum_) / count for sum_ in np.atleast_1d(total)]
        variance = [
            (count * int(square) - int(sum_) ** 2) / count**2
            for sum_, square in zip(np.atleast_1d(total), np.atleast_1d(squares), strict=True)
        ]
        return cls(tuple(value / 255 for value in mean), tuple(value**0.5 / 255 or 1.0 for value in variance))
