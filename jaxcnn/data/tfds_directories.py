"""Data sets of images with labels in directories prepared by TensorFlow Datasets (TFDS)."""

import io
import itertools
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.data_sources import Batch, StoredSource
from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.data.image_arrays import Picture, infer_shape, read_in_order, read_pictures
from jaxcnn.data.left_out import LeftOut
from jaxcnn.data.tfds_records import (
    input_errors,
    is_tfrecord,
    is_version,
    open_records,
    open_version,
    read_records,
)
from jaxcnn.errors import InputError

_CONTENT = "images with labels"
_TEST_NAMES = ("test", "validation")
_MAX_CLASSES = 256  # labels are uint8


def load_tfds(
    directory: str | os.PathLike[str],
    image_size: int | None = None,
    max_bytes: int | None = None,
    limit: int | None = None,
) -> Dataset | StreamedDataset:
    """Load a prepared directory whose examples hold an Image and a ClassLabel.

    The splits are train and test, or train and validation if there is no test; with all three, validation is the
    validation split. The log names the other splits. If the
    examples hold several images or labels, TFDS's supervised keys choose among them. The images keep the order in which
    TFDS stores them.

    Args:
        directory: the directory of a version, with dataset_info.json in it, or its parent.
        image_size: height and width of the images; they are cropped and resized as in `read_pictures`.
        max_bytes: memory budget for the images. Larger data sets are streamed: array_record from disk, tfrecord, which
            has no random access, from host memory. None never streams.
        limit: number of examples to take from the start of each split; None takes all.

    Returns:
        Images, gray or RGB as the Image feature declares, and labels.

    Raises:
        InputError: if there is no version or more than one, it is damaged, has other features or a format that only
            TensorFlow reads, a split is missing, an example has no label, or the sizes differ and `image_size` is None.
            Examples that are streamed from disk raise it when they are read.
    """
    version = _find_version(Path(directory))
    with open_version(version, _CONTENT) as builder:
        splits = sorted(builder.info.splits)
        test_name = next((name for name in _TEST_NAMES if name in splits), None)
        if "train" not in splits or test_name is None:
            raise InputError(
                f"{version} has the splits {', '.join(splits) or '(none)'}: expected train and test, or train and "
                "validation"
            )
        image_key, label_key = _keys(builder.info, version)
        names = {"train": "train", "test": test_name}
        if test_name == "test" and "validation" in splits:
            names["val"] = "validation"
        others = {
            ("split beside train and test", name): builder.info.splits[name].num_examples
            for name in splits
            if name not in names.values()
        }
        stored = {split: _Split(builder, name, image_key, label_key, limit) for split, name in names.items()}
        dataset = _streamed_above(max_bytes, stored, image_size)
        if dataset is None:
            dataset = _resident(stored, image_size).streamed_above(max_bytes)
    LeftOut(others).log(version)
    return dataset


def _streamed_above(
    max_bytes: int | None, splits: dict[str, "_Split"], image_size: int | None
) -> StreamedDataset | None:
    """The data set read from disk on demand; None if its format has no random access or it fits in `max_bytes`."""
    train = splits["train"]
    if max_bytes is None or train.is_tfrecord:
        return None
    shape = infer_shape((picture for picture, _ in train.parsed()), image_size, train.channels)
    if sum(split.num_examples for split in splits.values()) * math.prod(shape) <= max_bytes:
        return None
    sources = {name: split.streamed(image_size, shape) for name, split in splits.items()}
    return StreamedDataset(**sources, class_names=train.class_names, image_shape=shape)


def _resident(splits: dict[str, "_Split"], image_size: int | None) -> Dataset:
    examples = {name: split.read() for name, split in splits.items()}
    pictures = [picture for of_split, _ in examples.values() for picture in of_split]
    images = read_pictures(pictures, image_size, channels=splits["train"].channels)
    labels = {name: of_split for name, (_, of_split) in examples.items()}
    return Dataset.from_splits(images, labels, splits["train"].class_names)


def _find_version(directory: Path) -> Path:
    if is_version(directory):
        return directory
    try:
        versions = sorted(path for path in directory.iterdir() if is_version(path))
    except OSError as error:
        raise InputError(
            f"{directory} cannot be read ({error.strerror}): expected a directory prepared by TFDS"
        ) from error
    if len(versions) != 1:
        found = f"several versions ({', '.join(path.name for path in versions)})" if versions else "no version"
        raise InputError(
            f"{directory} holds {found} of a data set prepared by TFDS: name the directory with dataset_info.json in it"
        )
    return versions[0]


def _keys(info: Any, version: Path) -> tuple[str, str]:
    """The keys of the image and of the label in an example."""
    from tensorflow_datasets import features

    keys = []
    for kind in (features.Image, features.ClassLabel):
        found = [key for key, feature in info.features.items() if type(feature) is kind]
        supervised = [key for key in found if key in (info.supervised_keys or ())]
        if len(supervised or found) != 1:
            raise InputError(
                f"{version} has the features {', '.join(sorted(info.features))}, {len(found)} of them {kind.__name__}: "
                "expected one, or one among the supervised keys"
            )
        keys += supervised or found
    image_key, label_key = keys
    image, label = info.features[image_key], info.features[label_key]
    if image.np_dtype != np.uint8:
        raise InputError(f"{version} has images of type {np.dtype(image.np_dtype)}: expected uint8")
    if label.num_classes > _MAX_CLASSES:
        raise InputError(f"{version} has {label.num_classes} classes: expected at most {_MAX_CLASSES}")
    return image_key, label_key


class _Split:
    """The stored examples of a split."""

    def __init__(self, builder: Any, name: str, image_key: str, label_key: str, limit: int | None) -> None:
        import tensorflow_datasets as tfds

        self._builder, self._name, self._version = builder, name, str(builder.data_path)
        self._image_key, self._label_key, self._limit = image_key, label_key, limit
        # only these two, because others may need TensorFlow
        self._features: Any = tfds.features.FeaturesDict(
            {key: builder.info.features[key] for key in (image_key, label_key)}
        )
        self._num_classes = builder.info.features[label_key].num_classes
        self._decoders = {image_key: tfds.decode.SkipDecoding()}

    @property
    def is_tfrecord(self) -> bool:
        """Whether the examples have no random access."""
        return is_tfrecord(self._builder)

    @property
    def num_examples(self) -> int:
        """Number of examples, up to the limit."""
        num_examples = self._builder.info.splits[self._name].num_examples
        return num_examples if self._limit is None else min(num_examples, self._limit)

    @property
    def channels(self) -> int:
        """1 for gray, 3 for RGB."""
        return 1 if self._features[self._image_key].shape[-1] == 1 else 3

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of each class."""
        return tuple(self._features[self._label_key].names)

    def parsed(self) -> Iterator[tuple[Picture, int]]:
        """Each encoded image and its label."""
        return map(self._parse, itertools.count(), read_records(self._builder, self._name))

    def read(self) -> tuple[list[Picture], np.ndarray]:
        """All encoded images, and the labels."""
        parsed = list(itertools.islice(self.parsed(), self._limit))
        if len(parsed) != self.num_examples or self.num_examples == 0:
            raise InputError(
                f"{self._version} has {len(parsed)} examples in {self._name}: expected {self.num_examples}; "
                "prepare it again"
            )
        pictures, labels = zip(*parsed, strict=True)
        return list(pictures), np.array(labels, np.uint8)

    def streamed(self, image_size: int | None, shape: tuple[int, int, int]) -> StoredSource:
        """The examples as images of `shape`, read from disk on demand."""
        records = open_records(self._builder, self._name)

        def fetch(indices: np.ndarray) -> Batch:
            with input_errors(self._version, _CONTENT):
                chosen = indices.tolist()
                pictures, labels = zip(*map(self._parse, chosen, records.__getitems__(chosen)), strict=True)
                return read_in_order(pictures, image_size, shape), np.array(labels, np.uint8)

        def fetch_labels() -> np.ndarray:
            with input_errors(self._version, _CONTENT):
                return np.array([label for _, label in itertools.islice(self.parsed(), self._limit)], np.uint8)

        return StoredSource(self.num_examples, fetch, fetch_labels)

    def _parse(self, index: int, record: bytes) -> tuple[Picture, int]:
        example: dict[str, Any] = self._features.deserialize_example_np(record, decoders=self._decoders)
        name, label = f"{self._version} ({self._name}, example {index})", int(example[self._label_key])
        if not 0 <= label < self._num_classes:
            raise InputError(f"{name} has the label {label}: expected 0 to {self._num_classes - 1}")
        return (name, io.BytesIO(example[self._image_key])), label
