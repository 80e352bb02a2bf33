"""Directories prepared by TensorFlow Datasets (TFDS), opened and read record by record, without TensorFlow."""

import contextlib
import io
import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxcnn.errors import InputError

_AT_ONCE = 1024  # records that are read for little more than one


def is_version(directory: Path) -> bool:
    """Whether TFDS has prepared a version of a data set in `directory`."""
    return (directory / "dataset_info.json").is_file()


@contextlib.contextmanager
def open_version(version_directory: Path, what: str) -> Iterator[Any]:
    """TFDS's builder of a prepared directory; what it or its use raises is an InputError.

    Args:
        version_directory: where dataset_info.json lies.
        what: what an error says that it was to be read as.
    """
    with refusing_damage(version_directory, what), quiet():
        import tensorflow_datasets as tfds

        yield tfds.builder_from_directory(version_directory)


@contextlib.contextmanager
def refusing_damage(version_directory: Path | str, what: str) -> Iterator[None]:
    """Turn whatever a reader of TFDS raises into an InputError, which says as what the directory was read."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{version_directory} cannot be read as {what} prepared by TFDS ({reason[:200]}): if it is damaged, "
            "prepare it anew"
        ) from error


def read_records(builder: Any, split: str) -> Iterator[bytes]:
    """The examples of a split, array_record or tfrecord, in their order and not decoded."""
    if are_in_order_alone(builder):
        for path in builder.info.splits[split].filepaths:
            yield from _tfrecords(Path(path))
    else:
        records = open_records(builder, split)
        for first in range(0, len(records), _AT_ONCE):
            yield from records.__getitems__(range(first, min(first + _AT_ONCE, len(records))))


def are_in_order_alone(builder: Any) -> bool:
    """Whether the examples are stored as tfrecord, which is read from one end to the other."""
    return builder.info.file_format.value == "tfrecord"


def open_records(builder: Any, split: str) -> Any:
    """The examples of a split, array_record and not decoded, such that `__getitems__` reads those at some places."""
    from tensorflow_datasets import decode

    return builder.as_data_source(split, deserialize_method=decode.DeserializeMethod.RAW_BYTES)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep TFDS's progress bars, its talk and its advice on other decoders off the terminal."""
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
    place = 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        end = place + 12 + length
        if end + 4 > len(content):
            raise InputError(f"{path} ends within a record: prepare it anew")
        yield content[place + 12 : end]
        place = end + 4
