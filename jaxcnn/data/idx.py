"""The IDX file format of MNIST and its relatives: a header with the shape, then the bytes of the array.

    0 0 type rank | one big-endian uint32 per axis | the array, last axis fastest

The only supported type is 8, unsigned bytes. A file whose name ends in .gz is gzipped.
"""

import gzip
import hashlib
import io
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from jaxcnn.errors import InputError

_REMEDY = "download the file again"
_MAX_GZIP_RATIO = 1032  # the format cannot compress further, so a larger declared size is wrong


def read_idx(path: str | os.PathLike[str], *, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Read the array in an IDX file.

    Args:
        path: the file; gzipped if its name ends in .gz.
        shape: the expected shape, if it is known.

    Returns:
        A uint8 array.

    Raises:
        InputError: if the file cannot be read, is truncated or too long, or does not match its name, its header or
            `shape`. No memory is allocated for a size that the file cannot hold.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     write_idx(Path(directory) / "labels", np.array([3, 1], np.uint8))
        ...     read_idx(Path(directory) / "labels").tolist()
        [3, 1]
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _read(file, path, shape, max_bytes=size * (_MAX_GZIP_RATIO if path.suffix == ".gz" else 1))
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path} is not a complete gzip file ({error}): {_REMEDY}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): correct its name or permissions") from error


def find_idx(directory: Path, name: str) -> Path:
    """The path of the IDX file `name` in `directory`, gzipped or not.

    Raises:
        InputError: if it is missing.
    """
    path = next((p for p in (directory / name, directory / f"{name}.gz") if p.exists()), None)
    if path is None:
        raise InputError(f"{directory} has no {name} or {name}.gz: all four IDX files are required")
    return path


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write `array`, uint8, to `path` as an uncompressed IDX file."""
    with Path(path).open("wb") as file:
        file.write(_header(array.shape))
        file.write(np.ascontiguousarray(array).data)


def idx_sha256(array: np.ndarray) -> str:
    """SHA-256 of the uncompressed IDX file that holds `array`."""
    digest = hashlib.sha256(_header(array.shape))
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _header(shape: tuple[int, ...]) -> bytes:
    return struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)


def _read(file: io.BufferedIOBase, path: Path, expected: tuple[int, ...] | None, *, max_bytes: int) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:3] != b"\0\0\x08" or magic[3] == 0:
        found = f"begins with {magic.hex(' ')}" if magic else "is empty"
        raise InputError(f"{path} {found}: expected an IDX file of bytes, which begins with 00 00 08; {_REMEDY}")
    rank = magic[3]
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise InputError(f"{path} ends within its header: {_REMEDY}")
    shape = struct.unpack(f">{rank}I", sizes)
    if expected is not None and shape != expected:
        raise InputError(f"{path} has the shape {_times(shape)}: expected {_times(expected)}; {_REMEDY}")
    count = math.prod(shape)
    if count > max_bytes:
        raise InputError(f"{path} declares {_times(shape)} bytes, more than the file can hold: {_REMEDY}")
    content = file.read(count + 1)
    if len(content) != count:
        found = "more" if len(content) > count else f"only {len(content)}"
        raise InputError(f"{path} declares {_times(shape)} bytes and holds {found}: {_REMEDY}")
    try:
        return np.frombuffer(content, np.uint8).reshape(shape)
    except ValueError as error:  # more axes than NumPy supports, or an axis of zero and huge ones
        raise InputError(f"{path} declares {_times(shape)} bytes, a shape that NumPy cannot hold: {_REMEDY}") from error


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
