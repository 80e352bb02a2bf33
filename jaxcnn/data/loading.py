"""A data set by the words that name it."""

import os
import re
from pathlib import Path

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.data.fashion_mnist import load_fashion_mnist
from jaxcnn.data.fashion_mnist.directories import AbsentError
from jaxcnn.data.idx_directories import load_idx
from jaxcnn.data.image_folders import load_folder
from jaxcnn.data.tfds_directories import load_tfds
from jaxcnn.errors import InputError

_FORMS = {
    "folder": load_folder,
    "idx": lambda directory, image_size, room, limit: load_idx(directory, image_size).limit(limit).within(room),
    "tfds": load_tfds,
}
_LARGEST = 4096


def load_dataset(
    source: str | os.PathLike[str] | None,
    *,
    image_size: int | None = None,
    room: int | None = None,
    limit: int | None = None,
) -> Dataset | StreamedDataset:
    """The data set that `source` names.

        None, DIR   Fashion-MNIST, from where it is or from DIR, every byte verified: `load_fashion_mnist`
        folder:DIR  images in DIR/train/CLASS and DIR/test/CLASS, or in DIR/CLASS, of which every fifth is held out
        idx:DIR     four IDX files named as MNIST's or EMNIST's; DIR/emnist-SPLIT where there are several splits
        tfds:DIR    a directory prepared by TFDS, with an image and a class in each example

    Args:
        source: as above; a directory whose name begins with such a word and a colon is written ./folder:DIR.
        image_size: height and width of the images, resized; None keeps them, which are then to be of one size.
            Fashion-MNIST stays as it is.
        room: bytes that the images may take; where they would take more, they are streamed to the device as they are
            needed: pictures in folders and what TFDS prepared as array_record from disk, all else from memory. None
            for any number, 0 to stream whatever there is.
        limit: how many examples of each split are taken, the first; None for all.

    Returns:
        Images, uint8, gray or in colour, and labels from 0.

    Raises:
        InputError: if the form is not known, or what it names cannot be used; it says why and how to mend it.
    """
    if image_size is not None and not 1 <= image_size <= _LARGEST:
        raise InputError(f"an image size of {image_size}: 1 to {_LARGEST} pixels are possible")
    if source is None:
        return load_fashion_mnist().limit(limit).within(room)
    text = os.fspath(source)
    form, _, place = text.partition(":")
    if names_other_data(text):
        return _FORMS[form](_directory(text, place), image_size, room, limit)
    try:
        return load_fashion_mnist(source).limit(limit).within(room)
    except AbsentError as error:
        if not re.match(r"\w{2,}:", text):
            raise
        raise InputError(
            f"{text!r} is no directory with Fashion-MNIST, and no form of data is called {form!r}: write "
            f"{', '.join(f'{known}:DIR' for known in _FORMS)} or a directory with Fashion-MNIST"
        ) from error


def names_other_data(source: str | os.PathLike[str] | None) -> bool:
    """Whether `source`, as for `load_dataset`, is of a form that does not stand for Fashion-MNIST.

    Examples:
        >>> names_other_data("folder:pictures"), names_other_data("pictures"), names_other_data(None)
        (True, False, False)
    """
    form, colon, _ = os.fspath(source or "").partition(":")
    return bool(colon) and form in _FORMS


def _directory(source: str, place: str) -> Path:
    """The directory of a form, in which no shell has put a home in the place of ~."""
    if not place:
        raise InputError(f"{source!r} names no directory: write it after the colon")
    try:
        return Path(place).expanduser()
    except RuntimeError as error:
        raise InputError(f"{source!r} begins with a home that is not known: write the whole path") from error
