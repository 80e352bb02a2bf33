"""The IDX format of the MNIST family: a header of the shape, then the bytes of the array.

    0 0 type rank | rank sizes, each a big-endian uint32 | the array, last axis fastest

The type is 8, unsigned bytes; a file may be gzipped, which its name says by .gz.
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

_MEND = "get the file anew"
_DEFLATE_RATIO = 1032  # no gzip stream expands further, so a larger size is a lie


def read_idx(path: str | os.PathLike[str], *, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """The array in an IDX file.

    Args:
        path: the file; gzipped if its name ends in .gz.
        shape: what the header is to say, if that is known.

    Returns:
        A uint8 array.

    Raises:
        InputError: if the file cannot be read, is cut short or too long, or is not what its name and header say. No
            memory is taken for a size that the file cannot hold.

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
            return _read(file, path, shape, limit=size * (_DEFLATE_RATIO if path.suffix == ".gz" else 1))
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(f"{path} is no whole gzip file ({error}): {_MEND}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): mend its name or permissions") from error


def find_idx(directory: Path, name: str) -> Path:
    """Where the IDX file called `name` lies in `directory`, gzipped or not.

    Raises:
        InputError: if it is missing.
    """
    path = next((p for p in (directory / name, directory / f"{name}.gz") if p.exists()), None)
    if path is None:
        raise InputError(f"{directory} lacks {name} (or {name}.gz): all four files are needed")
    return path


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write `array`, uint8, to `path` as an IDX file without compression."""
    with path.open("wb") as file:
        file.write(_header(array.shape))
        file.write(np.ascontiguousarray(array).data)


def idx_sha256(array: np.ndarray) -> str:
    """SHA-256 of the uncompressed IDX file that holds `array`."""
    digest = hashlib.sha256(_header(array.shape))
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _header(shape: tuple[int, ...]) -> bytes:
    return struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)


def _read(file: io.BufferedIOBase, path: Path, expected: tuple[int, ...] | None, *, limit: int) -> np.ndarray:
    magic = file.read(4)
    if len(magic) < 4 or magic[:3] != b"\0\0\x08" or magic[3] == 0:
        raise InputError(
            f"{path} begins with {magic.hex(' ') or 'nothing'}: an IDX file of bytes with 00 00 08; {_MEND}"
        )
    rank = magic[3]
    sizes = file.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise InputError(f"{path} ends within its header: {_MEND}")
    shape = struct.unpack(f">{rank}I", sizes)
    if expected is not None and shape != expected:
        raise InputError(f"{path} holds {_times(shape)} bytes where {_times(expected)} are due: {_MEND}")
    count = math.prod(shape)
    if count > limit:
        raise InputError(f"{path} says that it holds {_times(shape)} bytes, more than fit in it: {_MEND}")
    content = file.read(count + 1)
    if len(content) != count:
        found = "more" if len(content) > count else str(len(content))
        raise InputError(f"{path} says that it holds {_times(shape)} bytes, and holds {found}: {_MEND}")
    try:
        return np.frombuffer(content, np.uint8).reshape(shape)
    except ValueError as error:  # too many axes for NumPy, or huge ones beside one of zero
        raise InputError(f"{path} says that it holds {_times(shape)} bytes, too odd for an array: {_MEND}") from error


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
