"""The forms in which data sets reach the training loop: as arrays, or as examples that are read as they are needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jaxcnn.data.data_sources import ArrayExamples, Batch, Examples
from jaxcnn.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """Images and labels of a classification task, decoded and validated.

    Attributes:
        train_images: (N, H, W, C), uint8, at least one image.
        train_labels: (N,), uint8, each below `len(class_names)`.
        test_images: (M, H, W, C), uint8, of the same H, W and C.
        test_labels: (M,), uint8, each below `len(class_names)`.
        class_names: the name of each class, in the order of the labels.

    Raises:
        InputError: if a shape, a type, a count or a label breaks these rules.

    Examples:
        >>> images, labels = np.zeros((2, 28, 28, 1), np.uint8), np.array([0, 1], np.uint8)
        >>> Dataset(images, labels, images, labels, ("shirt", "bag")).num_classes
        2
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            _validate_split(split, *self.split(split), num_classes=len(self.class_names))
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise InputError(
                f"training images of shape {self.train_images.shape[1:]} and test images of shape "
                f"{self.test_images.shape[1:]}: both need the same height, width and channels"
            )

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        _, height, width, channels = self.train_images.shape
        return height, width, channels

    @property
    def train(self) -> Examples:
        """The training examples, to be taken a batch at a time."""
        return ArrayExamples(*self.split("train"))

    @property
    def test(self) -> Examples:
        """The test examples, to be taken a batch at a time."""
        return ArrayExamples(*self.split("test"))

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of the split `name`, 'train' or 'test'."""
        return getattr(self, f"{name}_images"), getattr(self, f"{name}_labels")

    def limit(self, count: int | None) -> "Dataset":
        """The same task with the first `count` images of each split; None for all."""
        return Dataset(
            self.train_images[:count],
            self.train_labels[:count],
            self.test_images[:count],
            self.test_labels[:count],
            self.class_names,
        )

    def streamed(self) -> "StreamedDataset":
        """The same task, whose images stay in this process's memory and go to the device as they are needed."""
        return StreamedDataset(self.train, self.test, self.class_names, self.image_shape)

    def within(self, room: int | None) -> "Dataset | StreamedDataset":
        """This, or the same `streamed` where its images take more than `room` bytes; None is room for any number."""
        is_within = room is None or self.train_images.nbytes + self.test_images.nbytes <= room
        return self if is_within else self.streamed()


@dataclass(frozen=True)
class StreamedDataset:
    """A classification task whose images go to the device as they are needed, because not all of them fit there.

    Training on it gives what training on the same images in a `Dataset` gives.

    Attributes:
        train: the training examples, at least one.
        test: the test examples, at least one.
        class_names: the name of each class, in the order of the labels.
        image_shape: height, width and channels of one image.

    Raises:
        InputError: if there are no examples in a split.
    """

    train: Examples
    test: Examples
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            if len(getattr(self, split)) == 0:
                raise InputError(f"no {split} images: at least one is needed")

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    def limit(self, count: int | None) -> "StreamedDataset":
        """The same task with the first `count` images of each split; None for all."""
        return replace(self, train=self.train.limit(count), test=self.test.limit(count))

    def batches(self, split: str, places: Sequence[np.ndarray], *, ahead: int = 1) -> Iterator[Batch]:
        """Those of the split 'train' or 'test', as by `Examples.batches`, and validated as a `Dataset` is.

        Raises:
            InputError: if an example cannot be read, or a batch breaks the rules of a `Dataset`.
        """
        found = getattr(self, split).batches(places, ahead=ahead)
        for chosen, (images, labels) in zip(places, found, strict=True):
            _validate_split(split, images, labels, num_classes=self.num_classes)
            if images.shape != (len(chosen), *self.image_shape):
                raise InputError(
                    f"{split} images of shape {images.shape} where {len(chosen)} of {self.image_shape} were asked for"
                )
            yield images, labels


def _validate_split(split: str, images: np.ndarray, labels: np.ndarray, *, num_classes: int) -> None:
    if images.dtype != np.uint8 or images.ndim != 4:
        raise InputError(
            f"{split} images of type {images.dtype} and shape {images.shape}: they are to be uint8 and (N, H, W, C)"
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise InputError(
            f"{split} labels of type {labels.dtype} and shape {labels.shape} for {len(images)} images: "
            "they are to be uint8, one an image"
        )
    if len(images) == 0:
        raise InputError(f"no {split} images: at least one is needed")
    if labels.max() >= num_classes:
        raise InputError(
            f"{split} label {labels.max()} with {num_classes} classes: labels run from 0 to {num_classes - 1}"
        )
