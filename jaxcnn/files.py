"""Files that are written completely or not at all."""

from pathlib import Path


def write_file(path: Path, content: str | bytes) -> None:
    """Write `content` to `path`; readers see the old file or the whole new one.

    Args:
        path: the file. Its content is first written to a hidden file in the same directory.
        content: text, written as UTF-8, or bytes.

    Raises:
        OSError: if it cannot be written; the old file stays, and the hidden one is removed.
    """
    temporary = path.with_name(f".{path.name}")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
