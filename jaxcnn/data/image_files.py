"""Image files: finding them, opening them safely, and converting one to the format of Fashion-MNIST."""

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from jaxcnn.errors import InputError

if TYPE_CHECKING:  # imported where it is used, to keep `import jaxcnn` fast
    import PIL.Image

Result = TypeVar("Result")

# Pillow opens only these formats here: some of its others start external programs.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
_MAX_PIXELS = 50_000_000
_MAX_SIDE = 20_000
_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # Pillow's modes with more than 8 bits
_GRAY_MODES = (*_DEEP_MODES, "1", "L", "LA", "La")


def read_image(path: str | os.PathLike[str], size: int = 28, *, dark_on_light: bool | None = None) -> np.ndarray:
    """Read an image file as a small, square, gray image that is light on a dark background, as in Fashion-MNIST.

    In order: apply the EXIF orientation; replace transparency by white; convert to 8-bit gray; invert a dark object on
    a light background; pad to a square with the median of the border; resize by averaging.

    Args:
        path: a PNG, JPEG, GIF, BMP, TIFF, WebP, PGM or PPM file.
        size: height and width of the result, in pixels.
        dark_on_light: whether the object is darker than the background; None infers it: the background is light if the
            median of the border is above 127.

    Returns:
        (size, size, 1), uint8.

    Raises:
        InputError: if the file cannot be read, is of another format, or has several frames, float pixels, more than 50
            million pixels or a side of more than 20,000. Sizes are checked before memory is allocated.
    """
    from PIL import Image

    path = Path(path)
    with warnings.catch_warnings(action="ignore"):
        gray = open_image(path, str(path), lambda image: np.asarray(flatten(image, "L", background="white")))
    if max(gray.shape) > _MAX_SIDE:
        raise InputError(f"{path} has a side of more than {_MAX_SIDE:,} pixels, too long to pad to a square: crop it")
    border = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    if dark_on_light or (dark_on_light is None and np.median(border) > 127):
        gray, border = 255 - gray, 255 - border
    height, width = gray.shape
    top, left = (max(height, width) - height) // 2, (max(height, width) - width) // 2
    square = np.full((max(height, width),) * 2, int(np.median(border)), np.uint8)
    square[top : top + height, left : left + width] = gray
    return np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.BOX))[..., None]


def open_image(
    file: str | os.PathLike[str] | io.BytesIO, name: str, read: "Callable[[PIL.Image.Image], Result]"
) -> Result:
    """Open the image in `file` if it is safe to decode, and return what `read` makes of it.

    The caller suppresses Pillow's warnings: warning filters belong to the whole process, and threads call this.

    Args:
        file: a path, or the contents.
        name: the name of the image in error messages.
        read: is called with the open image.

    Raises:
        InputError: if the file cannot be read, is of another format, or has several frames, float pixels or more than
            50 million pixels. Sizes are checked before memory is allocated.
    """
    from PIL import Image

    try:
        with Image.open(file, formats=_FORMATS) as image:
            _check(name, image)
            return read(image)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has more than {_MAX_PIXELS:,} pixels: resize it") from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or "it is damaged or of another format"
        raise InputError(
            f"{name} cannot be read as an image ({reason}): expected PNG, JPEG, GIF, BMP, TIFF, WebP, PGM or PPM"
        ) from error


def flatten(image: "PIL.Image.Image", mode: str, *, background: str) -> "PIL.Image.Image":
    """Apply the EXIF orientation, replace transparency by `background`, and convert to 8 bits.

    Args:
        image: an image that Pillow has opened.
        mode: "L" for gray or "RGB"; images of more than 8 bits always become gray.
        background: the name of a color.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in _DEEP_MODES:
        return Image.fromarray((np.clip(np.asarray(image, np.int64), 0, 65535) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, background), image)
    return image.convert(mode)


def is_gray(image: "PIL.Image.Image") -> bool:
    """Whether an image has a gray pixel format, whatever the values of its pixels."""
    return image.mode in _GRAY_MODES


def find_images(path: str | os.PathLike[str]) -> list[Path]:
    """The image file `path`, or the image files in the folder `path`, found by suffix and sorted by name.

    Hidden files, whose names begin with a dot, are skipped.

    Raises:
        InputError: if `path` does not exist or is a folder without images.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            path.stat()
            return [path]
        images = sorted(
            file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")
        )
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): expected an image or a folder of images"
        ) from error
    if not images:
        raise InputError(f"{path} holds no images: expected files named .png, .jpg and so on")
    return images


def _check(name: str, image: "PIL.Image.Image") -> None:
    """Raise an `InputError` if the image is not safe to decode or not supported."""
    if image.width * image.height > _MAX_PIXELS:
        raise InputError(f"{name} has more than {_MAX_PIXELS:,} pixels: resize it")
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise InputError(f"{name} has {frames} frames: expected one; save a single frame as an image")
    if image.mode == "F":
        raise InputError(f"{name} has float pixels of unknown range: save it with 8 or 16 bits")
