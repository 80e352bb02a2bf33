"""A folder of images, in which each class has a folder of its own."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxcnn.data.data_sources import Batch, StoredExamples
from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.data.image_arrays import Picture, all_gray, read_in_order, read_pictures, shape_of
from jaxcnn.data.image_files import find_images
from jaxcnn.errors import InputError

_TEST_NAMES = ("test", "val", "validation", "valid")
_HELD_OUT = 5  # of so many files one is for testing
_MOST_CLASSES = 256  # labels are uint8

Files = dict[str, list[Path]]
"""The image files of each class, by its name."""


def load_folder(
    directory: Path, image_size: int | None = None, room: int | None = None, limit: int | None = None
) -> Dataset | StreamedDataset:
    """The images in `directory`/train/CLASS and `directory`/test/CLASS, or in `directory`/CLASS.

    For test, val, validation or valid is taken, the first of them that is there. Where there is no such pair, the
    fifth, the tenth and so on of each class's files, by name, are held out for testing. The classes are the folders by
    name and take turns in the arrays, so that the first images are of all classes. Files that are hidden or named as
    no image, and folders that are hidden, are left out.

    Args:
        directory: where the folders lie.
        image_size: height and width of the images, and what becomes of pictures, as in `read_pictures`.
        room: bytes that the images may take; where they would take more, they stay in their files and are streamed from
            there. None for any number.
        limit: how many pictures of each split are taken, the first; None for all. Colour in any makes colour of them.

    Returns:
        Gray images if every picture is gray by its form, else colour, and labels.

    Raises:
        InputError: if there are fewer than 2 classes or more than 256, one has no images or too few to hold one out,
            train and test differ in their classes, a picture cannot be read, or the sizes differ and none is asked for.
            Of pictures that are streamed, this is found as they are read.
    """
    folders = _folders(directory)
    test_folder = next((folders[name] for name in _TEST_NAMES if name in folders), None)
    if "train" in folders and test_folder is not None:
        train, test = _find_classes(folders["train"]), _find_classes(test_folder)
        if train.keys() != test.keys():
            differing = ", ".join(sorted(train.keys() ^ test.keys()))
            raise InputError(
                f"{folders['train']} and {test_folder} differ in the classes {differing}: both need the same folders"
            )
    else:
        train, test = _hold_out(directory, _find_classes(directory))
    (pictures, labels), (test_pictures, test_labels) = _in_turn(train), _in_turn(test)
    channels = None  # is seen as they are read
    if limit is not None:  # which leaves the form of the images as it is
        channels = _channels_of(pictures + test_pictures)
        pictures, labels = pictures[:limit], labels[:limit]
        test_pictures, test_labels = test_pictures[:limit], test_labels[:limit]
    shape = None if room is None else _shape_beyond(room, pictures + test_pictures, image_size, channels)
    if shape is not None:
        return StreamedDataset(
            _stored(pictures, labels, image_size, shape), _stored(test_pictures, test_labels, image_size, shape),
            tuple(train), shape,
        )  # fmt: skip
    images = read_pictures(pictures + test_pictures, image_size, channels=channels)
    return Dataset(images[: len(pictures)], labels, images[len(pictures) :], test_labels, tuple(train))


def _channels_of(pictures: Sequence[Picture]) -> int:
    return 1 if all_gray(pictures) else 3


def _shape_beyond(
    room: int, pictures: Sequence[Picture], image_size: int | None, channels: int | None
) -> tuple[int, int, int] | None:
    """The shape of the images, if they take more than `room` bytes; only then their channels are looked for."""
    height, width, most = shape_of(pictures, image_size, channels or 3)
    values = len(pictures) * height * width
    if values * most <= room:
        return None
    channels = channels or _channels_of(pictures)
    return (height, width, channels) if values * channels > room else None


def _stored(
    pictures: Sequence[Picture], labels: np.ndarray, image_size: int | None, shape: tuple[int, int, int]
) -> StoredExamples:
    def fetch(places: np.ndarray) -> Batch:
        return read_in_order([pictures[place] for place in places], image_size, shape), labels[places]

    return StoredExamples(len(pictures), fetch)


def _folders(directory: Path) -> dict[str, Path]:
    """The folders in `directory` by name, sorted."""
    try:
        found = sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise InputError(
            f"{directory} cannot be read ({error.strerror}): a folder with a folder of images for each class is needed"
        ) from error
    return {path.name: path for path in found}


def _find_classes(directory: Path) -> Files:
    folders = _folders(directory)
    if not 2 <= len(folders) <= _MOST_CLASSES:
        raise InputError(
            f"{directory} holds {len(folders)} folders: 2 to {_MOST_CLASSES} are needed, one with the images of each "
            "class, or train and test with such folders"
        )
    return {name: find_images(folder) for name, folder in folders.items()}


def _hold_out(directory: Path, classes: Files) -> tuple[Files, Files]:
    """What is left to train on, and every fifth file of each class."""
    for name, files in classes.items():
        if len(files) < _HELD_OUT:
            raise InputError(
                f"{directory / name} holds too few images ({len(files)}): of every {_HELD_OUT} one is held out for "
                "testing; add images, or make the folders train and test"
            )
    test = {name: files[_HELD_OUT - 1 :: _HELD_OUT] for name, files in classes.items()}
    train = {
        name: [file for place, file in enumerate(files, 1) if place % _HELD_OUT] for name, files in classes.items()
    }
    return train, test


def _in_turn(classes: Files) -> tuple[list[Picture], np.ndarray]:
    """The files with their labels: the first of each class, the second of each, and so on."""
    turns = itertools.zip_longest(*classes.values())
    pairs = [((str(file), file), label) for turn in turns for label, file in enumerate(turn) if file is not None]
    return [picture for picture, _ in pairs], np.array([label for _, label in pairs], np.uint8)
