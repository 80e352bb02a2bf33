"""Data sets of image files with one folder per class."""

import itertools
import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxcnn.data.data_sources import Batch, StoredSource
from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.data.image_arrays import Picture, all_gray, infer_shape, read_in_order, read_pictures
from jaxcnn.data.image_files import read_each
from jaxcnn.data.image_search import Found, list_folder, search_images
from jaxcnn.data.left_out import LeftOut
from jaxcnn.errors import InputError, list_differences

_TRAIN_NAMES = ("train", "training")
_VAL_NAMES = ("val", "validation", "valid")
_TEST_NAMES = ("test", "testing", *_VAL_NAMES)
_SPLIT_WORDS = {*_TRAIN_NAMES, *_TEST_NAMES, "dev", "eval"}
_HOLD_OUT_EVERY = 5  # one of so many files is for testing
_MAX_CLASSES = 256  # labels are uint8

Files = dict[str, list[Path]]
"""The image files of each class, by its name."""

Examples = dict[str, tuple[list[Picture], np.ndarray]]
"""The pictures and their labels of each split, by its name."""


def load_folder(
    directory: str | os.PathLike[str],
    image_size: int | None = None,
    max_bytes: int | None = None,
    limit: int | None = None,
) -> Dataset | StreamedDataset:
    """Load the images in `directory`/train/CLASS and `directory`/test/CLASS, or in `directory`/CLASS.

    The train folder may also be called training, and the test folder testing, val, validation or valid, in lower or
    upper case; the first that exists in this order is used. If there is a test folder, val, validation or valid is the
    validation split. Without train and test folders, every fifth file of each class, sorted by name, is held out for
    testing. Classes are the folders, sorted by name, in Unicode's composed form
    (NFC). Their images are found as by `find_images`, including those in subfolders. Examples alternate between the
    classes, so that the first ones cover all classes. One line of the log says how many files and folders are left out,
    and why.

    Args:
        directory: the folder of the data set.
        image_size: height and width of the images; they are cropped and resized as in `read_pictures`.
        max_bytes: memory budget for the images. Larger data sets are streamed from their files; None never streams.
        limit: number of images to take from the start of each split; None takes all. The channels are those of the
            whole data set.

    Returns:
        Images, gray if every file has a gray pixel format, else RGB, and labels.

    Raises:
        InputError: if there are not 2 to 256 classes, a class has no images or too few to hold one out, train and test
            have different classes, a folder of a split has no counterpart, two folders have the same name in NFC, files
            cannot be read, or the sizes differ and `image_size` is None. Streamed files raise the last two when they
            are read.
    """
    directory = Path(directory)
    left_out = LeftOut()
    splits = _find_splits(directory, left_out)
    class_names = tuple(splits["train"])
    examples = {name: _alternate(files) for name, files in splits.items()}
    channels = None  # determined while the files are read
    if limit is not None:  # the channels are those of all files
        channels = _infer_channels(_all_pictures(examples))
        examples = {name: (pictures[:limit], labels[:limit]) for name, (pictures, labels) in examples.items()}
    pictures = _all_pictures(examples)
    shape = None if max_bytes is None else _shape_above(max_bytes, pictures, image_size, channels)
    if shape is not None:
        sources = {name: _stored(*of_split, image_size, shape) for name, of_split in examples.items()}
        dataset = StreamedDataset(**sources, class_names=class_names, image_shape=shape)
    else:
        images = read_pictures(pictures, image_size, channels=channels)
        dataset = Dataset.from_splits(images, {name: labels for name, (_, labels) in examples.items()}, class_names)
    left_out.log(directory)
    return dataset


def _all_pictures(examples: Examples) -> list[Picture]:
    return [picture for pictures, _ in examples.values() for picture in pictures]


def _infer_channels(pictures: Sequence[Picture]) -> int:
    return 1 if all_gray(pictures) else 3


def _shape_above(
    max_bytes: int, pictures: Sequence[Picture], image_size: int | None, channels: int | None
) -> tuple[int, int, int] | None:
    """The shape of the images if they take more than `max_bytes`; channels are inferred only if they decide it."""
    height, width, max_channels = infer_shape(pictures, image_size, channels or 3)
    num_pixels = len(pictures) * height * width
    if num_pixels * max_channels <= max_bytes:
        return None
    channels = channels or _infer_channels(pictures)
    return (height, width, channels) if num_pixels * channels > max_bytes else None


def _stored(
    pictures: Sequence[Picture], labels: np.ndarray, image_size: int | None, shape: tuple[int, int, int]
) -> StoredSource:
    def fetch(indices: np.ndarray) -> Batch:
        return read_in_order([pictures[index] for index in indices], image_size, shape), labels[indices]

    return StoredSource(len(pictures), fetch, lambda: labels)


def _find_splits(directory: Path, left_out: LeftOut) -> dict[str, Files]:
    """The files of the splits train, val, if there is one, and test. What is left out is counted in `left_out`."""
    folders = _folders(directory, left_out)
    names = {name.casefold(): name for name in folders}

    def first(wanted: tuple[str, ...]) -> str | None:
        return next((names[name] for name in wanted if name in names), None)

    train, test, val = first(_TRAIN_NAMES), first(_TEST_NAMES), first(_VAL_NAMES)
    if train is None or test is None:
        for folder in folders.values():
            _check_class(folder)
        return _hold_out(directory, _find_classes(directory, folders, left_out))
    of_splits = {"train": train, **({} if val in (None, test) else {"val": val}), "test": test}
    left_out.update(("folder beside train and test", name) for name in folders if name not in of_splits.values())
    splits = {
        split: _find_classes(folders[name], _folders(folders[name], left_out), left_out)
        for split, name in of_splits.items()
    }
    for split, name in of_splits.items():
        if splits[split].keys() != splits["train"].keys():
            differences = list_differences({train: splits["train"].keys(), name: splits[split].keys()})
            raise InputError(
                f"{folders[train]} and {folders[name]} have different classes ({differences}): expected the same "
                "folders in both"
            )
    return splits


def _folders(directory: Path, left_out: LeftOut) -> dict[str, Path]:
    """The folders in `directory` by name, in NFC, sorted. Everything else is counted in `left_out`."""
    listed = _list(directory)
    left_out += listed.left_out
    left_out.update(("outside of the class folders", image.suffix.lower()) for image in listed.images)
    folders: dict[str, Path] = {}
    for folder in listed.folders:
        name = unicodedata.normalize("NFC", folder.name)
        if name in folders:
            raise InputError(
                f"{directory} has two folders for the class {name!r}, in different Unicode forms "
                f"({folders[name].name!a} and {folder.name!a}): move all images into one of them"
            )
        folders[name] = folder
    return dict(sorted(folders.items()))


def _list(directory: Path) -> Found:
    try:
        return list_folder(directory)
    except OSError as error:
        raise InputError(
            f"{directory} cannot be read ({error.strerror}): expected a folder with one folder of images per class"
        ) from error


def _check_class(folder: Path) -> None:
    """Raise an `InputError` if `folder` looks like a split: it has such a name, and folders instead of images."""
    if _SPLIT_WORDS.intersection(re.split("[^a-z]+", folder.name.casefold())):
        listed = _list(folder)
        if listed.folders and not listed.images:
            raise InputError(
                f"{folder} holds folders instead of images, like one of two splits: name both of them train and test"
            )


def _find_classes(directory: Path, folders: dict[str, Path], left_out: LeftOut) -> Files:
    """The image files in each of `folders`, the classes in `directory`. What is left out is counted in `left_out`."""
    if not 2 <= len(folders) <= _MAX_CLASSES:
        raise InputError(
            f"{directory} holds {len(folders)} folders: expected 2 to {_MAX_CLASSES}, one per class, or train and test "
            "with such folders"
        )
    classes = {}
    for name, found in zip(folders, read_each(search_images, folders.values()), strict=True):
        classes[name] = found.images
        left_out += found.left_out
    return classes


def _hold_out(directory: Path, classes: Files) -> dict[str, Files]:
    """Split the files of each class: every fifth for testing, the others for training."""
    for name, files in classes.items():
        if len(files) < _HOLD_OUT_EVERY:
            raise InputError(
                f"{directory / name} holds {len(files)} images: expected at least {_HOLD_OUT_EVERY}, because every "
                f"{_HOLD_OUT_EVERY}th is held out for testing; add images, or create folders train and test"
            )
    test = {name: files[_HOLD_OUT_EVERY - 1 :: _HOLD_OUT_EVERY] for name, files in classes.items()}
    train = {
        name: [file for number, file in enumerate(files, 1) if number % _HOLD_OUT_EVERY]
        for name, files in classes.items()
    }
    return {"train": train, "test": test}


def _alternate(classes: Files) -> tuple[list[Picture], np.ndarray]:
    """The files and their labels: the first of each class, the second of each class, and so on."""
    rounds = itertools.zip_longest(*classes.values())
    pairs = [((str(file), file), label) for files in rounds for label, file in enumerate(files) if file is not None]
    return [picture for picture, _ in pairs], np.array([label for _, label in pairs], np.uint8)
