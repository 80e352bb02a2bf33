"""Data sets as the training loop takes them: arrays in memory, or sources that are read batch by batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from jaxcnn.data.array_conversion import images_to_uint8, labels_to_uint8, number_classes
from jaxcnn.data.data_sources import ArraySource, Batch, DataSource, SubsetSource
from jaxcnn.data.holding_out import hold_out
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
        val_images: (V, H, W, C), uint8, with the same H, W and C; None for no validation split.
        val_labels: (V,), uint8, each below `len(class_names)`; None for no validation split.

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
    val_images: np.ndarray | None = None
    val_labels: np.ndarray | None = None

    def __post_init__(self) -> None:
        if (self.val_images is None) != (self.val_labels is None):
            raise InputError("val_images or val_labels alone: expected both, or none for no validation split")
        for name in self.splits:
            images, labels = self.split(name)
            _validate_split(name, images, labels, num_classes=len(self.class_names))
            if images.shape[1:] != self.train_images.shape[1:]:
                raise InputError(
                    f"train images of shape {self.train_images.shape[1:]} and {name} images of shape "
                    f"{images.shape[1:]}: expected the same height, width and channels"
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

    @classmethod
    def from_splits(cls, images: np.ndarray, labels: Mapping[str, np.ndarray], class_names: Sequence[str]) -> "Dataset":
        """Make a data set of the images of all splits, one split after the other, and the labels of each split.

        Args:
            images: (N, H, W, C), uint8.
            labels: by the name of the split, in the order of the images: 'train', 'test' and perhaps 'val'.
            class_names: the name of each class, in the order of the labels.

        Raises:
            InputError: as for `Dataset`.
        """
        arrays, end = {}, 0
        for name, of_split in labels.items():
            end += len(of_split)
            arrays |= {f"{name}_images": images[end - len(of_split) : end], f"{name}_labels": of_split}
        return cls(**arrays, class_names=tuple(class_names))

    def __repr__(self) -> str:
        return _describe(self)

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
    def splits(self) -> tuple[str, ...]:
        """The names of the splits: 'train', 'val' if there is a validation split, and 'test'."""
        return ("train", "test") if self.val_images is None else ("train", "val", "test")

    @property
    def train(self) -> DataSource:
        """The training examples as a data source."""
        return ArraySource(*self.split("train"))

    @property
    def val(self) -> DataSource | None:
        """The validation examples as a data source; None if there are none."""
        return None if self.val_images is None else ArraySource(*self.split("val"))

    @property
    def test(self) -> DataSource:
        """The test examples as a data source."""
        return ArraySource(*self.split("test"))

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of one of the `splits`."""
        return getattr(self, f"{name}_images"), getattr(self, f"{name}_labels")

    def limit(self, count: int | None) -> "Dataset":
        """The same task with the first `count` images of each split; None keeps all."""
        _check_limit(count)
        arrays = {
            f"{name}_{kind}": array[:count]
            for name in self.splits
            for kind, array in zip(("images", "labels"), self.split(name), strict=True)
        }
        return replace(self, **arrays)

    def hold_out(self, fraction: float, seed: int = 0) -> "Dataset":
        """Move a random share of the training examples of each class to a validation split.

        Args:
            fraction: the share, more than 0 and less than 1.
            seed: another seed chooses other examples.

        Raises:
            InputError: if an argument is out of its range, no class has two examples, or there is a validation split.

        Examples:
            >>> images, labels = np.zeros((8, 28, 28, 1), np.uint8), np.arange(8, dtype=np.uint8) % 2
            >>> Dataset(images, labels, images, labels, ("shirt", "bag")).hold_out(0.25)
            Dataset(train 6 x 28x28x1, val 2, test 8, 2 classes)
        """
        kept, held_out = _hold_out(self, fraction, seed)
        return replace(
            self,
            train_images=self.train_images[kept],
            train_labels=self.train_labels[kept],
            val_images=self.train_images[held_out],
            val_labels=self.train_labels[held_out],
        )

    def streamed(self) -> "StreamedDataset":
        """The same task with images that stay in host memory and are copied to the device batch by batch."""
        return StreamedDataset(self.train, self.test, self.class_names, self.image_shape, self.val)

    def streamed_above(self, max_bytes: int | None) -> "Dataset | StreamedDataset":
        """This data set, or `streamed()` if its images take more than `max_bytes`; None never streams."""
        size = sum(self.split(name)[0].nbytes for name in self.splits)
        return self if max_bytes is None or size <= max_bytes else self.streamed()


@dataclass(frozen=True)
class StreamedDataset:
    """A classification task whose images are copied to the device batch by batch, for data larger than its memory.

    Training on it gives the same result as training on a `Dataset` of the same images.

    Attributes:
        train: the training examples, at least one.
        test: the test examples, at least one.
        class_names: the name of each class, in the order of the labels.
        image_shape: height, width and channels of one image.
        val: the validation examples; None for no validation split.

    Raises:
        InputError: if a split is empty.
    """

    train: DataSource
    test: DataSource
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    val: DataSource | None = None

    def __post_init__(self) -> None:
        for name in self.splits:
            if len(getattr(self, name)) == 0:
                raise InputError(f"no {name} images: expected at least one")

    def __repr__(self) -> str:
        return _describe(self)

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits: 'train', 'val' if there is a validation split, and 'test'."""
        return ("train", "test") if self.val is None else ("train", "val", "test")

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def limit(self, count: int | None) -> "StreamedDataset":
        """The same task with the first `count` images of each split; None keeps all."""
        _check_limit(count)
        return replace(self, **{name: getattr(self, name).limit(count) for name in self.splits})

    def hold_out(self, fraction: float, seed: int = 0) -> "StreamedDataset":
        """Move training examples to a validation split, the same ones as `Dataset.hold_out`."""
        kept, held_out = _hold_out(self, fraction, seed)
        return replace(self, train=SubsetSource(self.train, kept), val=SubsetSource(self.train, held_out))

    def batches(self, split: str, indices: Sequence[np.ndarray], *, prefetch: int = 1) -> Iterator[Batch]:
        """Yield the batches of one of the `splits`, as `DataSource.batches` does, and validate each one.

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


def _hold_out(dataset: Dataset | StreamedDataset, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if dataset.val is not None:
        raise InputError(f"hold_out({fraction}): the data has a validation split; use it, or leave it out of the data")
    return hold_out(dataset.train.read_labels(), fraction, seed)


def _describe(dataset: Dataset | StreamedDataset) -> str:
    shape = "x".join(map(str, dataset.image_shape))
    first, *others = (f"{name} {len(getattr(dataset, name)):,}" for name in dataset.splits)
    counts = ", ".join([f"{first} x {shape}", *others])
    return f"{type(dataset).__name__}({counts}, {count_of(dataset.num_classes, 'class')})"


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
