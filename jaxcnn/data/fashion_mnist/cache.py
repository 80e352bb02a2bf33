"""jaxcnn's cache of Fashion-MNIST: the four uncompressed files, and a record of verified TFDS directories.

Each file is written under a temporary name and then renamed, so that readers never see a partial file. The contents are
known in advance, so processes that fill the cache at the same time write the same bytes.
"""

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from jaxcnn.data.fashion_mnist.spec import FILES, Arrays
from jaxcnn.data.idx import write_idx
from jaxcnn.files import cache_directory

Fingerprint = dict[str, list[list[str | int]]]
"""A directory's absolute path, and the name, size and modification time of each of its files."""

_LOGGER = logging.getLogger(__name__)
_STALE_SECONDS = 3600  # a temporary file this old was left by a killed process


def fashion_mnist_cache() -> Path:
    """The directory of the cache of Fashion-MNIST."""
    return cache_directory("fashion-mnist")


def fill_cache(arrays: Arrays) -> None:
    """Write verified `arrays` to the cache. A failure logs a warning."""
    try:
        directory = fashion_mnist_cache()
        directory.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            _write_atomically(directory / FILES[name].name, lambda path, array=array: write_idx(path, array))
        _remove_stale(directory)
    except OSError as error:
        _LOGGER.warning("the cache %s cannot be written: %s", error.filename or fashion_mnist_cache(), error.strerror)


def fingerprint(directory: Path) -> Fingerprint:
    """Identify the current state of `directory`: any change to its files gives another fingerprint.

    Raises:
        OSError: if the directory cannot be listed.
    """
    stats = ((path.name, path.stat()) for path in sorted(directory.iterdir()))
    return {str(directory.resolve()): [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]}


def remember_verified(found: Fingerprint) -> None:
    """Record that the directory with the fingerprint `found` holds the verified arrays."""
    known = _verified() | found
    try:
        record = fashion_mnist_cache() / "verified.json"
        _write_atomically(record, lambda path: path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8"))
    except OSError as error:
        _LOGGER.warning("%s cannot be written: %s", error.filename, error.strerror)


def was_verified(found: Fingerprint) -> bool:
    """Whether the directory with the fingerprint `found` was verified before."""
    return found.items() <= _verified().items()


def _verified() -> Fingerprint:
    try:
        return dict(json.loads((fashion_mnist_cache() / "verified.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        _LOGGER.warning("ignoring the damaged file %s: %s", fashion_mnist_cache() / "verified.json", error)
        return {}


def _write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` create a temporary file, then rename it to `path`."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _remove_stale(directory: Path) -> None:
    for temporary in directory.glob("*.part"):
        with contextlib.suppress(FileNotFoundError):  # another process has just renamed it
            if time.time() - temporary.stat().st_mtime > _STALE_SECONDS:
                temporary.unlink()
