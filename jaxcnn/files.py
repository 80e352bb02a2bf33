"""Paths for users and for libraries, and files that are written completely or not at all."""

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxcnn.errors import InputError

_PLAIN_PATH = re.compile(r"(?!//|/(gs|s3|az|hf)/|.*\.[._])[\w./ -]{1,500}", re.ASCII)


def expand_path(path: str | os.PathLike[str]) -> Path:
    """`path` with the home directory in place of a leading ~, which a shell does not expand in --option=~/x.

    Raises:
        InputError: if the home directory is unknown, or the system refuses the path, for example because a name in it
            is too long.
    """
    try:
        expanded = Path(path).expanduser()
        expanded.exists()
    except RuntimeError as error:
        raise InputError(f"{path} begins with an unknown home directory: write the whole path") from error
    except OSError as error:
        raise InputError(f"{path} cannot be used ({error.strerror}): give another path") from error
    return expanded


def cache_directory(name: str) -> Path:
    """The directory called `name` in jaxcnn's cache: $XDG_CACHE_HOME/jaxcnn/NAME, by default under ~/.cache.

    Raises:
        FileNotFoundError: as for `home_directory`.
    """
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else home_directory() / ".cache") / "jaxcnn" / name


def home_directory() -> Path:
    """The user's home directory.

    Raises:
        FileNotFoundError: if it is unknown, for example because the system does not list the user.
    """
    try:
        return Path.home()
    except RuntimeError as error:
        raise FileNotFoundError(errno.ENOENT, "the home directory is unknown", "~") from error


def write_file(path: Path, content: str | bytes) -> None:
    """Write `content` to `path`; readers see the old file or the whole new one.

    Args:
        path: the file, or a link to it. Its content is first written to a hidden file in the same directory. A device
            or a pipe, such as /dev/stdout, is written to directly.
        content: text, written as UTF-8, or bytes.

    Raises:
        OSError: if it cannot be written; the old file stays, and the hidden one is removed.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    path = path.resolve()
    temporary = path.parent / f".{path.name}"
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def check_new_folder(directory: Path) -> None:
    """Check that `directory` does not exist, or is an empty folder.

    Raises:
        InputError: if it is a file, or has files in it.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"{directory} already exists: give a new folder, or an empty one")


@contextmanager
def plain_path(directory: Path) -> Iterator[Path]:
    """A path to `directory` that Orbax and TFDS neither misread nor refuse; a temporary link if necessary.

    Both treat a path below /gs or /s3 as a bucket. Orbax searches for files with `glob`, which reads [1] as a pattern;
    it treats gs: as a bucket, even inside a path; and it shortens a/../b to b, although a can be a link. TensorStore
    refuses .__lock. TensorStore and array_record refuse names that are not UTF-8. In a very long path, the names of
    their files do not fit.
    """
    if _PLAIN_PATH.fullmatch(str(directory)):
        yield directory
        return
    with tempfile.TemporaryDirectory(prefix="jaxcnn-") as place:
        link = Path(place) / "link"
        link.symlink_to(directory, target_is_directory=True)
        yield link
