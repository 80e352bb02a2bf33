"""Paths as users write them, and files that are written completely or not at all."""

import os
from pathlib import Path

from jaxcnn.errors import InputError


def expand_path(path: str | os.PathLike[str]) -> Path:
    """`path` with the home directory for a ~ at its beginning, which a shell leaves in --option=~/x.

    Raises:
        InputError: if the home directory is unknown, or the system does not accept the path, as one with a long name.
    """
    try:
        expanded = Path(path).expanduser()
        expanded.exists()
    except RuntimeError as error:
        raise InputError(f"{path} begins with an unknown home directory: write the whole path") from error
    except OSError as error:
        raise InputError(f"{path} cannot be used ({error.strerror}): give another path") from error
    return expanded


def write_file(path: Path, content: str | bytes) -> None:
    """Write `content` to `path`; readers see the old file or the whole new one.

    Args:
        path: the file. Its content is first written to a hidden file in the same directory.
        content: text, written as UTF-8, or bytes.

    Raises:
        OSError: if it cannot be written; the old file stays, and the hidden one is removed.
    """
    temporary = path.parent / f".{path.name}"
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
