"""The form in which every data set reaches the training loop."""

from dataclasses import dataclass

import numpy as np

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

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of the split `name`, 'train' or 'test'."""
        return getattr(self, f"{name}_images"), getattr(self, f"{name}_labels")

    def limit(self, count: int) -> "Dataset":
        """The same task with the first `count` images of each split."""
        return Dataset(
            self.train_images[:count],
            self.train_labels[:count],
            self.test_images[:count],
            self.test_labels[:count],
            self.class_names,
        )


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
