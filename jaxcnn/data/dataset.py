"""Data sets as the training loop takes them: arrays in memory, or sources that are read batch by batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from jaxcnn.data.array_conversion import images_to_uint8, labels_to_uint8, number_classes
from jaxcnn.data.data_sources import ArraySource, Batch, DataSource
from jaxcnn.errors import InputError
from jaxcnn.words import count_of


@dataclass(frozen=True)
class Dataset:
    """Images and labels of a classification task in memory, validated.

    `Dataset.from_arrays` also takes floats, images without a channel axis, and labels of any integer type.

    Attributes:
        train_images: (N, H, W, C), uint8, at least one image.
        train_labels: (N,), uint8, each below `len(class_names)`.
        test_images: (M, H, W, C), uint8, with the same H, W and C.
        test_labels: (M,), uint8, each below `len(class_names)`.
        class_names: the name of each class, in the order of the labels.

    Raises:
        InputError: if a shape, a type, a count or a label is not as above.

    Examples:
        >>> images, labels = np.zeros((2, 28, 28, 1), np.uint8), np.array([0, 1], np.uint8)
        >>> Dataset(images, labels, images, labels, ("shirt", "bag"))
        Dataset(train 2 x 28x28x1, test 2, 2 classes)
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
                f"train images of shape {self.train_images.shape[1:]} and test images of shape "
                f"{self.test_images.shape[1:]}: expected the same height, width and channels"
            )

    @classmethod
    def from_arrays(
        cls,
        train_images: ArrayLike,
        train_labels: ArrayLike,
        test_images: ArrayLike,
        test_labels: ArrayLike,
        class_names: Sequence[str] | None = None,
    ) -> "Dataset":
        """Convert arrays of common types and shapes to a data set.

        Floats in [0, 1] are converted to uint8 by rounding x * 255.

        Args:
            train_images: (N, H, W) or (N, H, W, C), uint8 or floats in [0, 1]; C is 1, 3 or 4.
            train_labels: (N,), any integer type, from 0 to the number of classes - 1, at most 255.
            test_images: (M, H, W) or (M, H, W, C), uint8 or floats in [0, 1], with the same H, W and C.
            test_labels: (M,), any integer type, from 0 to the number of classes - 1.
            class_names: the name of each class, in the order of the labels; None for "0", "1" and so on, up to the
                largest label.

        Returns:
            Images as (N, H, W, C), uint8, and labels, uint8.

        Raises:
            InputError: if floats are outside [0, 1], images are channels-first, counts differ, or a label is out of
                range.

        Examples:
            >>> images, labels = np.random.default_rng(0).random((10, 8, 8)), np.arange(10) % 3
            >>> Dataset.from_arrays(images, labels, images[:5], labels[:5])
            Dataset(train 10 x 8x8x1, test 5, 3 classes)
        """
        train = images_to_uint8("train", train_images), labels_to_uint8("train", train_labels)
        test = images_to_uint8("test", test_images), labels_to_uint8("test", test_labels)
        return cls(
            *train,
            *test,
            number_classes([train[1], test[1]]) if class_names is None else tuple(class_names),
        )

    def __repr__(self) -> str:
        return _describe("Dataset", len(self.train_labels), self.image_shape, len(self.test_labels), self.num_classes)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        _, height, width, channels = self.train_images.shape
        return height, width, channels

    @property
    def train(self) -> DataSource:
        """The training examples as a data source."""
        return ArraySource(*self.split("train"))

    @property
    def test(self) -> DataSource:
        """The test examples as a data source."""
        return ArraySource(*self.split("test"))

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of the split `name`, 'train' or 'test'."""
        return getattr(self, f"{name}_images"), getattr(self, f"{name}_labels")

    def limit(self, count: int | None) -> "Dataset":
        """The same task with the first `count` images of each split; None keeps all."""
        _check_limit(count)
        return Dataset(
            self.train_images[:count],
            self.train_labels[:count],
            self.test_images[:count],
            self.test_labels[:count],
            self.class_names,
        )

    def streamed(self) -> "StreamedDataset":
        """The same task with images that stay in host memory and are copied to the device batch by batch."""
        return StreamedDataset(self.train, self.test, self.class_names, self.image_shape)

    def streamed_above(self, max_bytes: int | None) -> "Dataset | StreamedDataset":
        """This data set, or `streamed()` if its images take more than `max_bytes`; None never streams."""
        fits = max_bytes is None or self.train_images.nbytes + self.test_images.nbytes <= max_bytes
        return self if fits else self.streamed()


@dataclass(frozen=True)
class StreamedDataset:
    """A classification task whose images are copied to the device batch by batch, for data larger than its memory.

    Training on it gives the same result as training on a `Dataset` of the same images.

    Attributes:
        train: the training examples, at least one.
        test: the test examples, at least one.
        class_names: the name of each class, in the order of the labels.
        image_shape: height, width and channels of one image.

    Raises:
        InputError: if a split is empty.
    """

    train: DataSource
    test: DataSource
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            if len(getattr(self, split)) == 0:
                raise InputError(f"no {split} images: expected at least one")

    def __repr__(self) -> str:
        return _describe("StreamedDataset", len(self.train), self.image_shape, len(self.test), self.num_classes)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def limit(self, count: int | None) -> "StreamedDataset":
        """The same task with the first `count` images of each split; None keeps all."""
        _check_limit(count)
        return replace(self, train=self.train.limit(count), test=self.test.limit(count))

    def batches(self, split: str, indices: Sequence[np.ndarray], *, prefetch: int = 1) -> Iterator[Batch]:
        """Yield the batches of the split 'train' or 'test', as `DataSource.batches` does, and validate each one.

        Raises:
            InputError: if an example cannot be read, or a batch is not valid as part of a `Dataset`.
        """
        batches = getattr(self, split).batches(indices, prefetch=prefetch)
        for chosen, (images, labels) in zip(indices, batches, strict=True):
            _validate_split(split, images, labels, num_classes=self.num_classes)
            if images.shape != (len(chosen), *self.image_shape):
                raise InputError(
                    f"a batch of {split} images has the shape {images.shape}: expected {len(chosen)} of "
                    f"{self.image_shape}"
                )
            yield images, labels


def _check_limit(count: int | None) -> None:
    if count is not None and count < 1:
        raise InputError(f"limit {count}: expected 1 or more, or None")


def _describe(name: str, num_train: int, image_shape: tuple[int, ...], num_test: int, num_classes: int) -> str:
    shape = "x".join(map(str, image_shape))
    return f"{name}(train {num_train:,} x {shape}, test {num_test:,}, {count_of(num_classes, 'class')})"


def _validate_split(split: str, images: np.ndarray, labels: np.ndarray, *, num_classes: int) -> None:
    if images.dtype != np.uint8 or images.ndim != 4:
        raise InputError(
            f"{split} images of type {images.dtype} and shape {images.shape}: expected uint8 and (N, H, W, C); "
            "Dataset.from_arrays converts floats in [0, 1] and (N, H, W)"
        )
    if labels.dtype != np.uint8:
        raise InputError(
            f"{split} labels of type {labels.dtype}: expected uint8; Dataset.from_arrays converts other integers"
        )
    if labels.shape != images.shape[:1]:
        raise InputError(f"{split} labels of shape {labels.shape} for {len(images)} images: expected one per image")
    if len(images) == 0:
        raise InputError(f"no {split} images: expected at least one")
    if labels.max() >= num_classes:
        raise InputError(
            f"{split} label {labels.max()} with {count_of(num_classes, 'class')}: expected labels from 0 to "
            f"{num_classes - 1}"
        )
