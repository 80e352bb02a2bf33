"""Directories of four IDX files, named as MNIST and its like name them, or as EMNIST does."""

import re
import string
from pathlib import Path

import numpy as np

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.fashion_mnist.spec import FASHION_MNIST_CLASSES, FILES, Arrays
from jaxcnn.data.idx import find_idx, idx_sha256, read_idx
from jaxcnn.data.image_arrays import resize_gray
from jaxcnn.errors import InputError

KMNIST_CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
"""What the characters of KMNIST are read as, in the order of the labels."""

Classes = tuple[int, tuple[str, ...]]
"""The label of the first class, and the names of all."""

# Lower-case letters that look like their capitals are one class with them.
_MERGED: Classes = 0, (*string.digits, *string.ascii_uppercase, *"abdefghnqrt")
_EMNIST: dict[str, Classes] = {
    "balanced": _MERGED,
    "byclass": (0, (*string.digits, *string.ascii_uppercase, *string.ascii_lowercase)),
    "bymerge": _MERGED,
    "digits": (0, tuple(string.digits)),
    "letters": (1, tuple(string.ascii_uppercase)),
    "mnist": (0, tuple(string.digits)),
}
_EMNIST_FILE = re.compile(r"emnist-(.+)-(?:train|test)-(?:images-idx3|labels-idx1)-ubyte(?:\.gz)?")


def load_idx(place: Path, image_size: int | None = None) -> Dataset:
    """The images and labels of four IDX files, gzipped or not.

    They are named train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte,
    or else as EMNIST's are, emnist-SPLIT-train-images-idx3-ubyte and so on with test. EMNIST stores its images
    transposed: here they are upright. EMNIST's letters are labelled from 1: here from 0, as all labels.

    The names of the classes are Fashion-MNIST's if the labels are, KMNIST's if the directory's name contains kmnist,
    EMNIST's characters by the split, or by the file emnist-SPLIT-mapping.txt if it is there, and else numbers from 0.

    Args:
        place: the directory; with /emnist-SPLIT after it where there are several splits of EMNIST.
        image_size: height and width of the images, resized as `read_pictures` does; None keeps them.

    Returns:
        Gray images and labels.

    Raises:
        InputError: if a file is missing or damaged, the files do not fit together, or there are several splits.
    """
    directory, split = _locate(place)
    if split is None:
        arrays = _read(directory, {name: file.name for name, file in FILES.items()})
        first, names = _classes(directory, arrays)
    else:
        file_name = f"emnist-{split}-{{}}-ubyte".format
        arrays = _read(
            directory,
            {
                "train_images": file_name("train-images-idx3"),
                "train_labels": file_name("train-labels-idx1"),
                "test_images": file_name("test-images-idx3"),
                "test_labels": file_name("test-labels-idx1"),
            },
        )
        first, names = _emnist_classes(directory, split, arrays)
        arrays |= {name: arrays[name].swapaxes(1, 2) for name in ("train_images", "test_images")}
    for name in ("train_images", "test_images"):
        images = arrays[name] if image_size is None else resize_gray(arrays[name], image_size)
        arrays[name] = np.ascontiguousarray(images)[..., None]
    return Dataset(
        arrays["train_images"],
        arrays["train_labels"] - np.uint8(first),
        arrays["test_images"],
        arrays["test_labels"] - np.uint8(first),
        names,
    )


def _locate(place: Path) -> tuple[Path, str | None]:
    """The directory, and which split of EMNIST is meant, None for files named as MNIST's."""
    try:
        picked = re.fullmatch("emnist-(.+)", place.name)
        if picked and not place.is_dir():
            return place.parent, picked[1]
        present = {path.name for path in place.iterdir()}
    except OSError as error:
        raise InputError(
            f"{place} cannot be read ({error.strerror}): a directory with four IDX files is needed"
        ) from error
    if any({file.name, f"{file.name}.gz"} & present for file in FILES.values()):
        return place, None
    splits = sorted({match[1] for match in map(_EMNIST_FILE.fullmatch, present) if match})
    if not splits:
        raise InputError(f"{place} holds no IDX files: four named as MNIST's or EMNIST's are needed, gzipped or not")
    if len(splits) > 1:
        raise InputError(
            f"{place} holds several splits of EMNIST ({', '.join(splits)}): write one of them after it, as in "
            f"idx:{place / f'emnist-{splits[0]}'}"
        )
    return place, splits[0]


def _read(directory: Path, file_names: dict[str, str]) -> Arrays:
    arrays = {}
    for split in ("train", "test"):
        path = find_idx(directory, file_names[f"{split}_images"])
        images = read_idx(path)
        if images.ndim != 3 or images.size == 0:
            raise InputError(f"{path} holds an array of shape {images.shape}: images, (N, H, W), are needed")
        labels = read_idx(find_idx(directory, file_names[f"{split}_labels"]), shape=images.shape[:1])
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
    return arrays


def _classes(directory: Path, arrays: Arrays) -> Classes:
    count = _highest_label(arrays) + 1
    if all(idx_sha256(arrays[name]) == FILES[name].sha256 for name in ("train_labels", "test_labels")):
        return 0, FASHION_MNIST_CLASSES
    if "kmnist" in directory.resolve().name.lower() and count <= len(KMNIST_CLASSES):
        return 0, KMNIST_CLASSES
    return 0, tuple(map(str, range(count)))


def _emnist_classes(directory: Path, split: str, arrays: Arrays) -> Classes:
    mapping = directory / f"emnist-{split}-mapping.txt"
    if mapping.exists():
        first, names = _read_mapping(mapping)
    elif split in _EMNIST:
        first, names = _EMNIST[split]
    else:
        first, names = 0, tuple(map(str, range(_highest_label(arrays) + 1)))
    lowest, highest = min(arrays[f"{part}_labels"].min() for part in ("train", "test")), _highest_label(arrays)
    if lowest < first or highest >= first + len(names):
        raise InputError(
            f"the labels of EMNIST's {split} in {directory} run from {lowest} to {highest} where {first} to "
            f"{first + len(names) - 1} are due: get the files anew"
        )
    return first, names


def _read_mapping(path: Path) -> Classes:
    """What a file of lines says that hold a label and the code of its character, or of several that are one class."""
    try:
        rows = sorted([int(word) for word in line.split()] for line in path.read_text(encoding="ascii").splitlines())
        labels, names = [row[0] for row in rows], tuple(chr(row[1]) for row in rows)
        if labels != list(range(labels[0], labels[0] + len(labels))) or labels[0] not in (0, 1):
            raise ValueError("the labels do not follow each other")
    except (OSError, ValueError, IndexError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "it holds other things"
        raise InputError(
            f"{path} cannot be read as a mapping ({reason}): lines of a label, counted from 0 or 1, and the code of "
            "its character are needed; get the file anew, or remove it"
        ) from error
    return labels[0], names


def _highest_label(arrays: Arrays) -> int:
    return int(max(arrays["train_labels"].max(), arrays["test_labels"].max()))
