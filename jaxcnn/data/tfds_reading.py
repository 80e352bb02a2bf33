"""Directories prepared by TensorFlow Datasets (TFDS), of any data set, read without TensorFlow."""

import contextlib
import io
import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.pictures import Picture, read_pictures
from jaxcnn.errors import InputError

_TEST_NAMES = ("test", "validation")
_MOST_CLASSES = 256  # labels are uint8


def load_tfds(directory: Path, image_size: int | None = None) -> Dataset:
    """The images and labels of a prepared directory whose examples hold an Image and a ClassLabel.

    The splits are train and test, or validation where there is no test. Where the examples hold several images or
    labels, those that TFDS calls supervised are taken. The images come in the order in which TFDS stores them.

    Args:
        directory: that of a version, with dataset_info.json in it, or the one above it.
        image_size: height and width of the images, and what becomes of them, as in `read_pictures`.

    Returns:
        Gray or colour images, as the Image says, and labels.

    Raises:
        InputError: if there is no version or several, one is damaged, in a form that only TensorFlow reads or of other
            examples, a split is missing, an example has no label, or the sizes differ and none is asked for.
    """
    version = _find_version(directory)
    with open_version(version, "images with labels") as builder:
        splits = sorted(builder.info.splits)
        test_name = next((name for name in _TEST_NAMES if name in splits), None)
        if "train" not in splits or test_name is None:
            raise InputError(
                f"{version} has the splits {', '.join(splits) or '(none)'}: train and test, or train and validation, "
                "are needed"
            )
        image_key, label_key = _keys(builder.info, version)
        image, label = builder.info.features[image_key], builder.info.features[label_key]
        train, train_labels = _read_split(builder, "train", image_key, label_key)
        test, test_labels = _read_split(builder, test_name, image_key, label_key)
    images = read_pictures(train + test, image_size, channels=1 if image.shape[-1] == 1 else 3)
    return Dataset(images[: len(train)], train_labels, images[len(train) :], test_labels, tuple(label.names))


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
    try:
        with quiet():
            import tensorflow_datasets as tfds

            yield tfds.builder_from_directory(version_directory)
    except InputError:
        raise
    except Exception as error:  # whatever a reader of TFDS meets in a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{version_directory} cannot be read as {what} prepared by TFDS ({reason[:200]}): prepare it anew"
        ) from error


def read_records(builder: Any, split: str) -> Iterator[bytes]:
    """The examples of a split, array_record or tfrecord, in their order and not decoded."""
    from tensorflow_datasets import decode

    if builder.info.file_format.value == "tfrecord":
        for path in builder.info.splits[split].filepaths:
            yield from _tfrecords(Path(path))
    else:
        yield from builder.as_data_source(split, deserialize_method=decode.DeserializeMethod.RAW_BYTES)


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


def _find_version(directory: Path) -> Path:
    if is_version(directory):
        return directory
    try:
        versions = sorted(path for path in directory.iterdir() if is_version(path))
    except OSError as error:
        raise InputError(
            f"{directory} cannot be read ({error.strerror}): a directory prepared by TFDS is needed"
        ) from error
    if len(versions) != 1:
        found = f"several versions ({', '.join(path.name for path in versions)})" if versions else "no version"
        raise InputError(
            f"{directory} holds {found} of a data set prepared by TFDS: name the directory with dataset_info.json in it"
        )
    return versions[0]


def _keys(info: Any, version: Path) -> tuple[str, str]:
    """What an example calls its image and its label."""
    from tensorflow_datasets import features

    keys = []
    for kind in (features.Image, features.ClassLabel):
        found = [key for key, feature in info.features.items() if type(feature) is kind]
        supervised = [key for key in found if key in (info.supervised_keys or ())]
        if len(supervised or found) != 1:
            raise InputError(
                f"{version} has examples of {', '.join(sorted(info.features))}, {len(found)} of them {kind.__name__}: "
                "one is needed, or one that is supervised"
            )
        keys += supervised or found
    image_key, label_key = keys
    image, label = info.features[image_key], info.features[label_key]
    if image.np_dtype != np.uint8:
        raise InputError(f"{version} has images of {np.dtype(image.np_dtype)}: uint8 is needed")
    if label.num_classes > _MOST_CLASSES:
        raise InputError(f"{version} has {label.num_classes} classes: at most {_MOST_CLASSES} are possible")
    return image_key, label_key


def _read_split(builder: Any, split: str, image_key: str, label_key: str) -> tuple[list[Picture], np.ndarray]:
    """The images as they are stored, and the labels."""
    import tensorflow_datasets as tfds

    # of these two alone, for others may need TensorFlow
    features: Any = tfds.features.FeaturesDict({key: builder.info.features[key] for key in (image_key, label_key)})
    decoders = {image_key: tfds.decode.SkipDecoding()}
    pictures, labels = [], []
    for place, record in enumerate(read_records(builder, split)):
        example: dict[str, Any] = features.deserialize_example_np(record, decoders=decoders)
        name = f"{builder.data_path} ({split}, example {place})"
        if not 0 <= example[label_key] < features[label_key].num_classes:
            raise InputError(f"{name} has the label {example[label_key]}, which is no class: each example needs one")
        pictures.append((name, io.BytesIO(example[image_key])))
        labels.append(example[label_key])
    due = builder.info.splits[split].num_examples
    if len(pictures) != due or due == 0:
        raise InputError(
            f"{builder.data_path} has {len(pictures)} examples in {split} where {due} are due: prepare it anew"
        )
    return pictures, np.array(labels, np.uint8)


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
