"""Conversion of users' arrays to the types and shapes of a `Dataset`."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from jaxcnn.errors import InputError

_CHANNELS = (1, 3, 4)
_MAX_LABEL = 255  # labels are uint8


def images_to_uint8(split: str, images: ArrayLike) -> np.ndarray:
    """Images as (N, H, W, C), uint8.

    Args:
        split: the name of the split, for error messages.
        images: (N, H, W) or (N, H, W, C), uint8 or floats in [0, 1]; floats are converted by rounding x * 255.

    Raises:
        InputError: if the shape is another, the images are channels-first, or the values are not as above.

    Examples:
        >>> images_to_uint8("train", [[[0.0, 0.5, 1.0]]]).tolist()
        [[[[0], [128], [255]]]]
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4:
        raise InputError(f"{split} images of shape {images.shape}: expected (N, H, W) or (N, H, W, C)")
    if images.shape[-1] not in _CHANNELS:
        is_channels_first = images.shape[1] in _CHANNELS
        remedy = "; convert channels-first images with images.transpose(0, 2, 3, 1)" if is_channels_first else ""
        raise InputError(
            f"{split} images of shape {images.shape}: expected (N, H, W, C) with 1, 3 or 4 channels{remedy}"
        )
    if images.dtype == np.uint8 or images.size == 0:
        return images.astype(np.uint8, copy=False)
    if not jnp.issubdtype(images.dtype, jnp.floating):  # which knows bfloat16
        raise InputError(
            f"{split} images of type {images.dtype}: expected uint8 or floats in [0, 1]; pass integers from 0 to 255 "
            "as images.astype('uint8')"
        )
    lowest, highest = images.min(), images.max()
    if not (lowest >= 0 and highest <= 1):  # also true for NaN
        raise InputError(
            f"{split} images hold floats from {lowest:g} to {highest:g}: expected values in [0, 1], without "
            "normalization; pass pixel values from 0 to 255 as images.astype('uint8')"
        )
    return np.rint(images.astype(np.promote_types(images.dtype, np.float32), copy=False) * 255).astype(np.uint8)


def labels_to_uint8(split: str, labels: ArrayLike) -> np.ndarray:
    """Labels as (N,), uint8.

    Args:
        split: the name of the split, for error messages.
        labels: (N,), any integer type, from 0 to 255.

    Raises:
        InputError: if the labels are not integers, have another shape or are out of range.

    Examples:
        >>> labels_to_uint8("train", [3, 1])
        array([3, 1], dtype=uint8)
    """
    labels = np.asarray(labels)
    if labels.ndim != 1 or (labels.size and not np.issubdtype(labels.dtype, np.integer)):
        raise InputError(
            f"{split} labels of type {labels.dtype} and shape {labels.shape}: expected integers of shape (N,); convert "
            "one-hot labels with labels.argmax(axis=-1)"
        )
    for label in (labels.min(), labels.max()) if labels.size else ():
        if not 0 <= label <= _MAX_LABEL:
            raise InputError(f"{split} label {label}: expected labels from 0 to {_MAX_LABEL}, numbered without gaps")
    return labels.astype(np.uint8, copy=False)


def number_classes(labels: Sequence[np.ndarray]) -> tuple[str, ...]:
    """The class names "0", "1" and so on, up to the largest of all `labels`.

    Examples:
        >>> number_classes([np.array([0, 2]), np.array([1])])
        ('0', '1', '2')
    """
    return tuple(map(str, range(max(int(array.max(initial=0)) for array in labels) + 1)))
