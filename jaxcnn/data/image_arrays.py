"""Reading many image files into one array, in parallel, with one size and one number of channels."""

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxcnn.data.image_files import flatten, is_gray, open_image, read_each
from jaxcnn.errors import InputError

if TYPE_CHECKING:  # imported where it is used, to keep `import jaxcnn` fast
    import PIL.Image

_MAX_FUTURES = 1024  # images that are submitted to the threads at a time
_MAX_THREADS = 8  # each may hold an image of the largest size

Picture = tuple[str, str | os.PathLike[str] | io.BytesIO]
"""An image file of any size: its name in error messages, and its path or contents."""


def read_pictures(
    pictures: Sequence[Picture], image_size: int | None = None, *, channels: int | None = None
) -> np.ndarray:
    """Read image files into one array.

    The EXIF orientation is applied, transparency is replaced by black, and 16-bit images are scaled to 8 bits.

    Args:
        pictures: at least one file of any format that Pillow decodes itself, each a name for error messages and a path
            or contents. Only the first frame or page is read.
        image_size: height and width of the result: each image is cropped to its central square and resized bilinearly
            with antialiasing. None keeps the size, which must then be the same for all.
        channels: 1 for gray, 3 for RGB; None chooses gray if every file has a gray pixel format, else RGB.

    Returns:
        (N, H, W, C), uint8.

    Raises:
        ImageError: if files cannot be read. It is an `InputError` and names all of them.
        InputError: if the sizes differ and `image_size` is None.

    Examples:
        >>> from PIL import Image
        >>> pictures = [(color, io.BytesIO()) for color in ("red", "blue")]
        >>> for color, file in pictures:
        ...     Image.new("RGB", (4, 2), color).save(file, "PNG")
        >>> read_pictures(pictures).shape, read_pictures(pictures, 3).shape
        ((2, 2, 4, 3), (2, 3, 3, 3))
    """
    # around the threads, which share the warning filters
    with warnings.catch_warnings(action="ignore"), _map_in_threads() as map_items:
        arrays = _read_all(pictures, image_size, channels, map_items=map_items)
    num_channels = channels or max(array.shape[2] for array in arrays)
    images = np.empty((len(arrays), *arrays[0].shape[:2], num_channels), np.uint8)
    for image, array in zip(images, arrays, strict=True):
        image[:] = array  # broadcasts gray to RGB
    return images


def read_in_order(pictures: Sequence[Picture], image_size: int | None, shape: tuple[int, int, int]) -> np.ndarray:
    """Read image files as `read_pictures` does, but in the caller's thread; several threads may call it at once.

    The caller suppresses Pillow's warnings, as with `open_image`.

    Args:
        pictures: at least one.
        image_size: as in `read_pictures`.
        shape: expected height, width and channels of each image.

    Returns:
        (N, *shape), uint8.

    Raises:
        InputError: as for `read_pictures`, or if an image has another height or width than `shape`.
    """
    images = np.empty((len(pictures), *shape), np.uint8)
    arrays = _read_all(pictures, image_size, shape[2], shape)
    for image, array in zip(images, arrays, strict=True):
        image[:] = array
    return images


def infer_shape(pictures: Iterable[Picture], image_size: int | None, channels: int) -> tuple[int, int, int]:
    """Height, width and channels that `read_pictures` would return; reads the first file if `image_size` is None."""
    if image_size is not None:
        return image_size, image_size, channels
    height, width, _ = read_pictures([next(iter(pictures))])[0].shape
    return height, width, channels


def all_gray(pictures: Sequence[Picture]) -> bool:
    """Whether every file has a gray pixel format; reads only the headers.

    Raises:
        ImageError: if files cannot be opened.
    """

    def read(picture: Picture) -> bool:
        return open_image(picture[1], picture[0], is_gray)

    parts = (pictures[start : start + _MAX_FUTURES] for start in range(0, len(pictures), _MAX_FUTURES))
    with warnings.catch_warnings(action="ignore"), _map_in_threads() as map_items:
        # a list, because `all` would stop at the first color image, before the error for unreadable files
        return all(all(list(read_each(read, part, map_items=map_items))) for part in parts)


def resize_gray(images: np.ndarray, size: int) -> np.ndarray:
    """Crop and resize gray images, (N, H, W), to (N, size, size) as `read_pictures` does."""
    from PIL import Image

    if images.shape[1:] == (size, size):
        return images
    return np.stack([np.asarray(_crop_and_resize(Image.fromarray(image), size)) for image in images])


@contextlib.contextmanager
def _map_in_threads() -> Iterator[Callable[..., Iterator[Any]]]:
    """A `map` that uses several threads. Leaving the context cancels the calls that have not begun."""
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, _MAX_THREADS))
    try:
        yield pool.map
    finally:
        pool.shutdown(cancel_futures=True)


def _crop_and_resize(image: "PIL.Image.Image", size: int) -> "PIL.Image.Image":
    from PIL import Image

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    # not with the `box` of `resize`, whose antialiasing includes pixels outside of the box
    square = image.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.BILINEAR)


def _read(picture: Picture, image_size: int | None, channels: int | None) -> np.ndarray:
    """One image, (height, width, 1 or 3), uint8."""
    name, file = picture

    def convert(image: "PIL.Image.Image") -> np.ndarray:
        gray = channels == 1 or (channels is None and is_gray(image))
        flat = flatten(image, "L" if gray else "RGB", background="black")
        array = np.asarray(flat if image_size is None else _crop_and_resize(flat, image_size))
        return array[..., None] if array.ndim == 2 else array

    return open_image(file, name, convert)


def _read_all(
    pictures: Sequence[Picture],
    image_size: int | None,
    channels: int | None,
    shape: tuple[int, ...] | None = None,
    *,
    map_items: Callable[..., Iterable[Any]] = map,
) -> list[np.ndarray]:
    """The images, each (height, width, 1 or 3), uint8, with the height and width of `shape` or of the first image."""

    def read(picture: Picture) -> tuple[str, np.ndarray]:
        return picture[0], _read(picture, image_size, channels)

    arrays = []
    shape_of = "the first image"
    for name, array in read_each(read, pictures, map_items=map_items):
        if shape is None:
            shape, shape_of = array.shape, name
        if array.shape[:2] != shape[:2]:
            raise InputError(
                f"{shape_of} has {shape[1]} x {shape[0]} pixels and {name} has {array.shape[1]} x {array.shape[0]}: "
                "expected images of one size; give an image size to resize them"
            )
        arrays.append(array)
    return arrays
