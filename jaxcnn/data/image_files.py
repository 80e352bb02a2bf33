"""Image files: opening them safely, and converting one to the format of Fashion-MNIST."""

import io
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from jaxcnn.errors import ImageError

if TYPE_CHECKING:  # imported where it is used, to keep `import jaxcnn` fast
    import PIL.Image

Item = TypeVar("Item")
Result = TypeVar("Result")

# EPS starts Ghostscript, and IPTC can contain EPS. Pillow recognizes the others but cannot decode them on every system.
_NOT_OPENED = frozenset({"EPS", "IPTC", "BUFR", "GRIB", "HDF5", "MPEG", "WMF"})
_MAX_PIXELS = 50_000_000
_MAX_SIDE = 20_000
_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # Pillow's modes with more than 8 bits
_16_BITS = ("PPM", "PNG")  # formats whose images in mode I have 16 bits
_GRAY_MODES = (*_DEEP_MODES, "1", "L", "LA", "La")


def read_image(path: str | os.PathLike[str], size: int = 28, *, dark_on_light: bool | None = None) -> np.ndarray:
    """Read an image file as a small, square, gray image that is light on a dark background, as in Fashion-MNIST.

    In order: apply the EXIF orientation; replace transparency by white; convert to 8-bit gray; invert a dark object on
    a light background; pad to a square with the median of the border; resize by averaging.

    Args:
        path: a file of any format that Pillow decodes itself. Only the first frame or page is read.
        size: height and width of the result, in pixels.
        dark_on_light: whether the object is darker than the background; None infers it: the background is light if the
            median of the border is above 127.

    Returns:
        (size, size, 1), uint8.

    Raises:
        ImageError: if the file cannot be read, is of another format, or has pixels of unknown range (floats, 32-bit
            integers), more than 50 million pixels or a side of more than 20,000. The number of pixels is checked before
            the image is decoded. It is an `InputError`.
    """
    from PIL import Image

    path = Path(path)
    with warnings.catch_warnings(action="ignore"):
        gray = open_image(path, str(path), lambda image: np.asarray(flatten(image, "L", background="white")))
    if max(gray.shape) > _MAX_SIDE:
        raise _fault(str(path), f"a side of more than {_MAX_SIDE:,} pixels", "crop to a shorter side")
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
        read: is called with the open image; its result is returned.

    Raises:
        ImageError: if the file cannot be read, is of another format, or has pixels of unknown range or more than 50
            million pixels. The number of pixels is checked before the image is decoded.
    """
    from PIL import Image

    try:
        with Image.open(file, formats=_formats()) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise Image.DecompressionBombError
            if image.mode == "F" or (image.mode == "I" and image.format not in _16_BITS):
                raise _fault(name, "floats or 32-bit integers of unknown range", "save with 8 or 16 bits")
            return read(image)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise _fault(name, f"more than {_MAX_PIXELS:,} pixels", "resize to fewer") from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or "damaged, or of another format"
        raise _fault(name, reason, "expected PNG, JPEG, WebP or another format that Pillow decodes") from error


def read_each(
    read: Callable[[Item], Result], items: Iterable[Item], *, map_items: Callable[..., Iterable[Any]] = map
) -> Iterator[Result]:
    """Yield the result of `read` for each item that can be read, then raise one error for all others.

    Args:
        read: may raise an `ImageError`.
        items: the items.
        map_items: how to apply a function to all items: `map`, or that of a pool of threads.

    Raises:
        ImageError: at the end, if items could not be read; it names all of them.
    """

    def attempt(item: Item) -> Result | ImageError:
        try:
            return read(item)
        except ImageError as error:
            return error

    faults: dict[str, str] = {}
    for result in map_items(attempt, items):
        if isinstance(result, ImageError):
            faults |= result.faults
        else:
            yield result
    if faults:
        raise ImageError(faults)


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


def _fault(name: str, reason: str, remedy: str) -> ImageError:
    return ImageError({name: f"cannot be read as an image ({reason}): {remedy}"})


def readable_suffixes() -> frozenset[str]:
    """The suffixes of readable image files, in lower case, such as ".png", including those of Pillow's plug-ins."""
    from PIL import Image

    formats = {*_formats(), "MPO"}  # JPEG files with several images, which Pillow opens as JPEG
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in formats)


def _formats() -> list[str]:
    """Pillow's names of the formats that are opened."""
    from PIL import Image

    Image.init()
    return [name for name in Image.ID if name not in _NOT_OPENED]
