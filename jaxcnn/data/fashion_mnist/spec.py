"""Specification of Fashion-MNIST: its files, their shapes and checksums, and its classes."""

import os
from dataclasses import dataclass

import numpy as np

from jaxcnn.data.idx import idx_sha256
from jaxcnn.errors import InputError

FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""The names of the classes, in the order of the labels."""

Arrays = dict[str, np.ndarray]
"""The arrays of Fashion-MNIST by their keys in `FILES`, with the shapes of the IDX files."""


@dataclass(frozen=True)
class IdxFile:
    """One of the four files of Fashion-MNIST.

    Attributes:
        name: the file name, without .gz.
        shape: the shape of its array.
        sha256: the checksum of the uncompressed file.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str


FILES = {
    "train_images": IdxFile(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train_labels": IdxFile(
        "train-labels-idx1-ubyte",
        (60_000,),
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "test_images": IdxFile(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "test_labels": IdxFile(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}


def verify(name: str, array: np.ndarray, where: str | os.PathLike[str]) -> None:
    """Check that `array` matches the file `name` in `FILES` byte for byte.

    Args:
        name: a key of `FILES`.
        array: the array to check.
        where: the path that it was read from, for the error message.

    Raises:
        InputError: if its SHA-256 differs.
    """
    if idx_sha256(array) != FILES[name].sha256:
        raise InputError(
            f"{where} does not match Fashion-MNIST's {FILES[name].name}: its SHA-256 differs, so the file was changed "
            "or swapped; download it again"
        )
