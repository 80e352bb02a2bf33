"""Images and labels of directories prepared by TensorFlow Datasets (TFDS), of any data set."""

import io
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.data_sources import Batch, StoredExamples
from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.data.image_arrays import Picture, read_in_order, read_pictures, shape_of
from jaxcnn.data.tfds_records import (
    are_in_order_alone,
    is_version,
    open_records,
    open_version,
    read_records,
    refusing_damage,
)
from jaxcnn.errors import InputError

_KIND = "images with labels"
_TEST_NAMES = ("test", "validation")
_MOST_CLASSES = 256  # labels are uint8


def load_tfds(
    directory: Path, image_size: int | None = None, room: int | None = None, limit: int | None = None
) -> Dataset | StreamedDataset:
    """The images and labels of a prepared directory whose examples hold an Image and a ClassLabel.

    The splits are train and test, or validation where there is no test. Where the examples hold several images or
    labels, those that TFDS calls supervised are taken. The images come in the order in which TFDS stores them.

    Args:
        directory: that of a version, with dataset_info.json in it, or the one above it.
        image_size: height and width of the images, and what becomes of them, as in `read_pictures`.
        room: bytes that the images may take; where they would take more, they are streamed: array_record from disk,
            tfrecord, which is read in its order alone, from memory. None for any number.
        limit: how many examples of each split are taken, the first; None for all.

    Returns:
        Gray or colour images, as the Image says, and labels.

    Raises:
        InputError: if there is no version or several, one is damaged, in a form that only TensorFlow reads or of other
            examples, a split is missing, an example has no label, or the sizes differ and none is asked for. Of what is
            streamed from disk, this is found as it is read.
    """
    version = _find_version(directory)
    with open_version(version, _KIND) as builder:
        splits = sorted(builder.info.splits)
        test_name = next((name for name in _TEST_NAMES if name in splits), None)
        if "train" not in splits or test_name is None:
            raise InputError(
                f"{version} has the splits {', '.join(splits) or '(none)'}: train and test, or train and validation, "
                "are needed"
            )
        image_key, label_key = _keys(builder.info, version)
        train, test = (_Split(builder, name, image_key, label_key, limit) for name in ("train", test_name))
        if room is not None and not are_in_order_alone(builder):
            shape = shape_of((picture for picture, _ in train.parsed()), image_size, train.channels)
            if (train.count + test.count) * math.prod(shape) > room:
                return StreamedDataset(
                    train.streamed(image_size, shape), test.streamed(image_size, shape), train.class_names, shape
                )
        pictures, labels = train.read()
        test_pictures, test_labels = test.read()
    images = read_pictures(pictures + test_pictures, image_size, channels=train.channels)
    dataset = Dataset(images[: len(labels)], labels, images[len(labels) :], test_labels, train.class_names)
    return dataset.within(room)


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


class _Split:
    """The examples of a split as they are stored."""

    def __init__(self, builder: Any, name: str, image_key: str, label_key: str, limit: int | None) -> None:
        import tensorflow_datasets as tfds

        self._builder, self._name, self._version = builder, name, str(builder.data_path)
        self._image_key, self._label_key, self._limit = image_key, label_key, limit
        # of these two alone, for others may need TensorFlow
        self._features: Any = tfds.features.FeaturesDict(
            {key: builder.info.features[key] for key in (image_key, label_key)}
        )
        self._num_classes = builder.info.features[label_key].num_classes
        self._decoders = {image_key: tfds.decode.SkipDecoding()}

    @property
    def count(self) -> int:
        """How many there are, up to the limit."""
        count = self._builder.info.splits[self._name].num_examples
        return count if self._limit is None else min(count, self._limit)

    @property
    def channels(self) -> int:
        """1 for gray, 3 for colour."""
        return 1 if self._features[self._image_key].shape[-1] == 1 else 3

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each class."""
        return tuple(self._features[self._label_key].names)

    def parsed(self) -> Iterator[tuple[Picture, int]]:
        """Each image as it is stored, and its label."""
        return map(self._parse, itertools.count(), read_records(self._builder, self._name))

    def read(self) -> tuple[list[Picture], np.ndarray]:
        """All images as they are stored, and the labels."""
        parsed = list(itertools.islice(self.parsed(), self._limit))
        if len(parsed) != self.count or self.count == 0:
            raise InputError(
                f"{self._version} has {len(parsed)} examples in {self._name} where {self.count} are due: "
                "prepare it anew"
            )
        pictures, labels = zip(*parsed, strict=True)
        return list(pictures), np.array(labels, np.uint8)

    def streamed(self, image_size: int | None, shape: tuple[int, int, int]) -> StoredExamples:
        """The examples, to be read from disk as they are needed, as images of `shape`."""
        records = open_records(self._builder, self._name)

        def fetch(places: np.ndarray) -> Batch:
            with refusing_damage(self._version, _KIND):
                chosen = places.tolist()
                pictures, labels = zip(*map(self._parse, chosen, records.__getitems__(chosen)), strict=True)
                return read_in_order(pictures, image_size, shape), np.array(labels, np.uint8)

        return StoredExamples(self.count, fetch)

    def _parse(self, place: int, record: bytes) -> tuple[Picture, int]:
        example: dict[str, Any] = self._features.deserialize_example_np(record, decoders=self._decoders)
        name, label = f"{self._version} ({self._name}, example {place})", int(example[self._label_key])
        if not 0 <= label < self._num_classes:
            raise InputError(f"{name} has the label {label}, which is no class: each example needs one")
        return (name, io.BytesIO(example[self._image_key])), label
