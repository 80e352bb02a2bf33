"""Loading of any supported data set by the string that names it."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.data.fashion_mnist import load_fashion_mnist
from jaxcnn.data.fashion_mnist.directories import NotFoundError
from jaxcnn.data.idx_directories import load_idx
from jaxcnn.data.image_folders import load_folder
from jaxcnn.data.tfds_directories import load_tfds
from jaxcnn.errors import InputError
from jaxcnn.files import expand_path

Loader = Callable[[Path, int | None, int | None, int | None], Dataset | StreamedDataset]

SOURCES: dict[str, Loader] = {
    "folder": load_folder,
    "idx": lambda directory, image_size, max_bytes, limit: (
        load_idx(directory, image_size).limit(limit).streamed_above(max_bytes)
    ),
    "tfds": load_tfds,
}
"""The data sources of `load_dataset` by their prefix: functions of a directory, image_size, max_bytes and limit.

An entry of your own makes PREFIX:DIR a data set for every command.
"""
_MAX_IMAGE_SIZE = 4096


def load_dataset(
    source: str | os.PathLike[str] | None,
    *,
    image_size: int | None = None,
    max_bytes: int | None = None,
    limit: int | None = None,
) -> Dataset | StreamedDataset:
    """Load the data set that `source` names.

        None, DIR   Fashion-MNIST, found by `load_fashion_mnist` or read from DIR; every byte is verified
        folder:DIR  images in DIR/train/CLASS and DIR/test/CLASS, or in DIR/CLASS with every fifth one held out
        idx:DIR     four IDX files named as MNIST's or EMNIST's; DIR/emnist-SPLIT if there are several splits
        tfds:DIR    a directory prepared by TFDS, with an image and a class in each example

    Args:
        source: as above. Write ./folder:DIR for a Fashion-MNIST directory whose name begins with a prefix.
        image_size: height and width that images are resized to; None keeps their size, which must then be the same
            for all. Fashion-MNIST is not resized.
        max_bytes: memory budget for the images. Larger data sets are streamed to the device: image folders and TFDS's
            array_record files from disk, all others from host memory. None never streams, 0 always does.
        limit: number of examples to take from the start of each split; None takes all.

    Returns:
        Images, uint8, gray or RGB, and labels from 0.

    Raises:
        InputError: if the prefix is unknown, `image_size` is not from 1 to 4096, `limit` is below 1, or the data
            cannot be used.
    """
    if image_size is not None and not 1 <= image_size <= _MAX_IMAGE_SIZE:
        raise InputError(f"image size {image_size}: expected 1 to {_MAX_IMAGE_SIZE} pixels")
    if limit is not None and limit < 1:
        raise InputError(f"limit {limit}: expected 1 or more")
    if source is None:
        return load_fashion_mnist().limit(limit).streamed_above(max_bytes)
    text = os.fspath(source)
    prefix, _, path = text.partition(":")
    if names_other_data(text):
        return SOURCES[prefix](_directory(text, path), image_size, max_bytes, limit)
    try:
        return load_fashion_mnist(source).limit(limit).streamed_above(max_bytes)
    except NotFoundError as error:
        if not re.match(r"\w{2,}:", text):
            raise
        raise InputError(
            f"{text!r} is not a directory with Fashion-MNIST, and the prefix {prefix!r} is unknown: expected "
            f"{', '.join(f'{known}:DIR' for known in SOURCES)} or a directory with Fashion-MNIST"
        ) from error


def names_other_data(source: str | os.PathLike[str] | None) -> bool:
    """Whether `source`, as in `load_dataset`, names a data set other than Fashion-MNIST.

    Examples:
        >>> names_other_data("folder:pictures"), names_other_data("pictures"), names_other_data(None)
        (True, False, False)
    """
    prefix, colon, _ = os.fspath(source or "").partition(":")
    return bool(colon) and prefix in SOURCES


def _directory(source: str, path: str) -> Path:
    """The directory after the prefix, with ~ expanded, which a shell leaves in place after a colon."""
    if not path:
        raise InputError(f"{source!r} names no directory: write it after the colon")
    return expand_path(path)
