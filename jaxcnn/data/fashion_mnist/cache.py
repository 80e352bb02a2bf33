"""jaxcnn's own cache: the four files without compression, and which TFDS directories were found to hold the same.

The contents of each file are known beforehand, so each is put in its place on its own, whole, and two processes that
fill the cache at once put the same bytes there.
"""

import contextlib
import errno
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from jaxcnn.data.fashion_mnist.spec import FILES, Arrays
from jaxcnn.data.idx import write_idx

Fingerprint = dict[str, list[list[str | int]]]
"""A directory's absolute path, and the name, size and time of change of each of its files."""

_LOGGER = logging.getLogger(__name__)
_ABANDONED_SECONDS = 3600  # a file still aside after this long was left by a process that was killed


def cache_directory() -> Path:
    """Where the cache lies: $XDG_CACHE_HOME/jaxcnn/fashion-mnist, by default under ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else home_directory() / ".cache") / "jaxcnn" / "fashion-mnist"


def home_directory() -> Path:
    """The user's home.

    Raises:
        FileNotFoundError: if none is known, as of a user whom the system does not list.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise FileNotFoundError(errno.ENOENT, "no home directory is known", "~") from error


def fill_cache(arrays: Arrays) -> None:
    """Write verified `arrays` to the cache. Where that cannot be done, a warning is all."""
    try:
        directory = cache_directory()
        directory.mkdir(parents=True, exist_ok=True)
        for name, array in arrays.items():
            _put(directory / FILES[name].name, lambda aside, array=array: write_idx(aside, array))
        _sweep(directory)
    except OSError as error:
        _LOGGER.warning("the cache %s cannot be filled: %s", error.filename or cache_directory(), error.strerror)


def fingerprint(directory: Path) -> Fingerprint:
    """What tells `directory` as it is now from any other, and from itself after a change.

    Raises:
        OSError: if it cannot be listed.
    """
    stats = ((path.name, path.stat()) for path in sorted(directory.iterdir()))
    return {str(directory.resolve()): [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]}


def remember_verified(found: Fingerprint) -> None:
    """Note that the directory with the fingerprint `found` held the verified arrays."""
    known = _verified() | found
    try:
        record = cache_directory() / "verified.json"
        _put(record, lambda aside: aside.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8"))
    except OSError as error:
        _LOGGER.warning("%s cannot be written: %s", error.filename, error.strerror)


def was_verified(found: Fingerprint) -> bool:
    """Whether the directory with the fingerprint `found` was verified before."""
    return found.items() <= _verified().items()


def _verified() -> Fingerprint:
    try:
        return dict(json.loads((cache_directory() / "verified.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        _LOGGER.warning("%s is taken as empty: %s", cache_directory() / "verified.json", error)
        return {}


def _put(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file aside, then move it to `path`: it is there whole or not at all."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _sweep(directory: Path) -> None:
    for aside in directory.glob("*.part"):
        with contextlib.suppress(FileNotFoundError):  # another process has just put it in its place
            if time.time() - aside.stat().st_mtime > _ABANDONED_SECONDS:
                aside.unlink()
