"""Reading the records of directories prepared by TensorFlow Datasets (TFDS), without TensorFlow."""

import contextlib
import io
import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxcnn.errors import InputError

_RECORDS_PER_READ = 1024  # reading this many takes little longer than reading one


def is_version(directory: Path) -> bool:
    """Whether `directory` is a version of a data set that TFDS has prepared."""
    return (directory / "dataset_info.json").is_file()


@contextlib.contextmanager
def open_version(version_directory: Path, content: str) -> Iterator[Any]:
    """Open a prepared directory with TFDS's builder, and turn all errors into an `InputError`.

    Args:
        version_directory: the directory with dataset_info.json.
        content: the expected content, for error messages.
    """
    with input_errors(version_directory, content), quiet():
        import tensorflow_datasets as tfds

        yield tfds.builder_from_directory(version_directory)


@contextlib.contextmanager
def input_errors(version_directory: Path | str, content: str) -> Iterator[None]:
    """Turn any error of TFDS's readers into an `InputError` that names the directory and its expected `content`."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{version_directory} cannot be read as {content} prepared by TFDS ({reason[:200]}): if it is damaged, "
            "prepare it again"
        ) from error


def read_records(builder: Any, split: str) -> Iterator[bytes]:
    """The serialized examples of a split, array_record or tfrecord, in the stored order."""
    if is_tfrecord(builder):
        for path in builder.info.splits[split].filepaths:
            yield from _tfrecords(Path(path))
    else:
        records = open_records(builder, split)
        for first in range(0, len(records), _RECORDS_PER_READ):
            yield from records.__getitems__(range(first, min(first + _RECORDS_PER_READ, len(records))))


def is_tfrecord(builder: Any) -> bool:
    """Whether the examples are stored as tfrecord, which has no random access."""
    return builder.info.file_format.value == "tfrecord"


def open_records(builder: Any, split: str) -> Any:
    """The serialized examples of an array_record split; `__getitems__` reads those at the given indices."""
    from tensorflow_datasets import decode

    return builder.as_data_source(split, deserialize_method=decode.DeserializeMethod.RAW_BYTES)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress TFDS's progress bars, messages and warnings on the terminal."""
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.ERROR)
    try:
        import tensorflow_datasets as tfds

        tfds.disable_progress_bar()
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        absl.setLevel(level)


def _tfrecords(path: Path) -> Iterator[bytes]:
    """The records of a tfrecord file: length (uint64), its checksum, the record, its checksum."""
    content = path.read_bytes()
    start = 0
    while start < len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        end = start + 12 + length
        if end + 4 > len(content):
            raise InputError(f"{path} ends within a record: prepare it again")
        yield content[start + 12 : end]
        start = end + 4
