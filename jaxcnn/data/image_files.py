"""Pictures of a person's own: opened safely, and in the form that a network trained on Fashion-MNIST takes."""

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps

from jaxcnn.errors import InputError

Read = TypeVar("Read")

# No others are opened: Pillow has formats that start other programs.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
_MOST_PIXELS = 50_000_000
_LONGEST = 20_000
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # Pillow's modes for more than 8 bits
_GRAY = (*_DEEP, "1", "L", "LA", "La")


def read_image(path: str | os.PathLike[str], size: int = 28, *, dark_on_light: bool | None = None) -> np.ndarray:
    """An image file as one image of the data set: gray, light on dark, square, small.

    It is turned as its camera says, laid on white where it is transparent, made gray and, of 16 bits, scaled to 8; an
    image of a dark thing on a light ground is inverted; a ground as light as its border makes it square; it is resized
    by averaging.

    Args:
        path: PNG, JPEG, GIF, BMP, TIFF, WebP, PGM or PPM.
        size: height and width of the result, in pixels.
        dark_on_light: whether the thing is darker than the ground; None to go by the border: light where its median is
            above the middle.

    Returns:
        (size, size, 1), uint8.

    Raises:
        InputError: if it cannot be read, is of another format, has several frames, floats, more than 50 million pixels
            or more than 20,000 in a row; no memory is taken for what is only declared.
    """
    path = Path(path)
    with warnings.catch_warnings(action="ignore"):
        gray = open_image(path, str(path), lambda image: np.asarray(flatten(image, "L", ground="white")))
    if max(gray.shape) > _LONGEST:
        raise InputError(f"{path} is over {_LONGEST:,} pixels long, too long to be made square: cut it")
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    if dark_on_light or (dark_on_light is None and np.median(border) > 127):
        gray, border = 255 - gray, 255 - border
    height, width = gray.shape
    low, left = (max(height, width) - height) // 2, (max(height, width) - width) // 2
    square = np.full((max(height, width),) * 2, int(np.median(border)), np.uint8)
    square[low : low + height, left : left + width] = gray
    return np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BOX))[..., None]


def open_image(file: Path | io.BytesIO, name: str, read: Callable[[Image.Image], Read]) -> Read:
    """What `read` makes of the image in `file`, which is opened only if it is safe to decode.

    Pillow's warnings are left to the caller: the filters of warnings belong to the process, and this may be run in
    threads.

    Args:
        file: a path, or the contents.
        name: what an error calls it.
        read: takes the image while it is open.

    Raises:
        InputError: if it cannot be read, is of another format, has several frames, floats or more than 50 million
            pixels; no memory is taken for what is only declared.
    """
    try:
        with Image.open(file, formats=_FORMATS) as image:
            _check(name, image)
            return read(image)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has more than {_MOST_PIXELS:,} pixels: make it smaller") from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or of another format"
        raise InputError(
            f"{name} cannot be read as an image ({reason}): a PNG, JPEG, GIF, BMP, TIFF, WebP, PGM or PPM is needed"
        ) from error


def flatten(image: Image.Image, mode: str, *, ground: str) -> Image.Image:
    """An image turned as its camera says, laid on `ground` where it is transparent, of 8 bits.

    Args:
        image: what Pillow opened.
        mode: "L" for gray or "RGB" for colour; what has more than 8 bits is gray always.
        ground: a colour by its name.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode in _DEEP:
        return Image.fromarray((np.clip(np.asarray(image, np.int64), 0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, ground), image)
    return image.convert(mode)


def is_gray(image: Image.Image) -> bool:
    """Whether an image is gray by its form, not by its colours."""
    return image.mode in _GRAY


def find_images(path: Path) -> list[Path]:
    """The image files that `path` names: itself, or those in the folder that it is, by their names' endings.

    Hidden files, whose names begin with a dot, are no part of a folder.

    Raises:
        InputError: if it is a folder without any, or not there.
    """
    try:
        if not path.is_dir():
            path.stat()
            return [path]
        found = sorted(
            file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")
        )
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): an image or a folder of images is needed"
        ) from error
    if not found:
        raise InputError(f"{path} holds no images: files named .png, .jpg and so on are needed")
    return found


def _check(name: str, image: Image.Image) -> None:
    """An InputError for what is not to be decoded."""
    if image.width * image.height > _MOST_PIXELS:
        raise InputError(f"{name} has more than {_MOST_PIXELS:,} pixels: make it smaller")
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise InputError(f"{name} has {frames} frames: one is needed; save one of them as an image of its own")
    if image.mode == "F":
        raise InputError(f"{name} has floats for pixels, whose range is not known: save it with 8 or 16 bits")
