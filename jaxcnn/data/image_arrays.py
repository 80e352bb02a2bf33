"""Many pictures as one array: read side by side, all of one size and with the same channels."""

import io
import os
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from jaxcnn.data.image_files import flatten, is_gray, open_image
from jaxcnn.errors import InputError

_AT_ONCE = 1024  # pictures whose futures are held
_MOST_WORKERS = 8  # each may hold a picture of the largest size

Picture = tuple[str, Path | io.BytesIO]
"""What an error calls a picture, and its file."""


def read_pictures(
    pictures: Sequence[Picture], image_size: int | None = None, *, channels: int | None = None
) -> np.ndarray:
    """Pictures as images of a data set.

    They are turned as their cameras say, laid on black where they are transparent and, of 16 bits, scaled to 8.

    Args:
        pictures: at least one, PNG, JPEG, GIF, BMP, TIFF, WebP, PGM or PPM.
        image_size: height and width of the result: the square in the middle of each picture, resized bilinearly and
            smoothed where pixels become fewer. None keeps the size, which is then to be the same for all.
        channels: 1 for gray, 3 for colour; None for gray where every picture is gray by its form, else colour.

    Returns:
        (N, H, W, C), uint8.

    Raises:
        InputError: if one cannot be read, or their sizes differ and none is asked for.

    Examples:
        >>> pictures = [(color, io.BytesIO()) for color in ("red", "blue")]
        >>> for color, file in pictures:
        ...     Image.new("RGB", (4, 2), color).save(file, "PNG")
        >>> read_pictures(pictures).shape, read_pictures(pictures, 3).shape
        ((2, 2, 4, 3), (2, 3, 3, 3))
    """
    first, *others = pictures

    def read(picture: Picture) -> np.ndarray:
        return _read_like(picture, image_size, channels, like=like.shape, of=first[0])

    # around the threads, which share the filters of warnings
    with warnings.catch_warnings(action="ignore"):
        like = _read(first, image_size, channels)
        with _threads() as pool:
            arrays = [like, *pool.map(read, others)]
    images = np.empty((len(arrays), *like.shape[:2], channels or max(array.shape[2] for array in arrays)), np.uint8)
    for image, array in zip(images, arrays, strict=True):
        image[:] = array  # gray among colour is spread over the channels
    return images


def read_in_order(pictures: Sequence[Picture], image_size: int | None, shape: tuple[int, int, int]) -> np.ndarray:
    """Pictures as `read_pictures` makes images of them, read by the caller's thread, of which there may be several.

    Pillow's warnings are left to the caller, as by `open_image`.

    Args:
        pictures: at least one.
        image_size: as in `read_pictures`.
        shape: height, width and channels of the result; what has not this size is refused.

    Returns:
        (N, *shape), uint8.

    Raises:
        InputError: if one cannot be read, or is of another size.
    """
    images = np.empty((len(pictures), *shape), np.uint8)
    for image, picture in zip(images, pictures, strict=True):
        image[:] = _read_like(picture, image_size, shape[2], like=shape, of="the first picture")
    return images


def shape_of(pictures: Iterable[Picture], image_size: int | None, channels: int) -> tuple[int, int, int]:
    """Height, width and channels of what `read_pictures` makes of pictures, of which the first is read if need be."""
    if image_size is not None:
        return image_size, image_size, channels
    height, width, _ = read_pictures([next(iter(pictures))])[0].shape
    return height, width, channels


def all_gray(pictures: Sequence[Picture]) -> bool:
    """Whether every picture is gray by its form, of which no more than the beginning is read.

    Raises:
        InputError: if one cannot be opened.
    """
    parts = (pictures[at : at + _AT_ONCE] for at in range(0, len(pictures), _AT_ONCE))
    with warnings.catch_warnings(action="ignore"), _threads() as pool:
        return all(
            gray
            for part in parts
            for gray in pool.map(lambda picture: open_image(picture[1], picture[0], is_gray), part)
        )


def resize_gray(images: np.ndarray, size: int) -> np.ndarray:
    """Gray images, (N, H, W), as `read_pictures` makes them `size` x `size`."""
    return np.stack([np.asarray(_fit(Image.fromarray(image), size)) for image in images])


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_WORKERS))


def _fit(image: Image.Image, size: int) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    # cropped on its own, for a box within the resizing lets the pixels around it in
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.BILINEAR)


def _read(picture: Picture, image_size: int | None, channels: int | None) -> np.ndarray:
    """(height, width, 1 or 3), uint8."""
    name, file = picture

    def convert(image: Image.Image) -> np.ndarray:
        gray = channels == 1 or (channels is None and is_gray(image))
        flat = flatten(image, "L" if gray else "RGB", ground="black")
        array = np.asarray(flat if image_size is None else _fit(flat, image_size))
        return array[..., None] if array.ndim == 2 else array

    return open_image(file, name, convert)


def _read_like(
    picture: Picture, image_size: int | None, channels: int | None, *, like: tuple[int, ...], of: str
) -> np.ndarray:
    """(height, width, 1 or 3), uint8, with the height and width of `like`, which are those `of` another."""
    array = _read(picture, image_size, channels)
    if array.shape[:2] != like[:2]:
        raise InputError(
            f"{of} has {like[1]} x {like[0]} pixels and {picture[0]} has {array.shape[1]} x {array.shape[0]}: images "
            "of one size are needed, or give an image size for all"
        )
    return array
