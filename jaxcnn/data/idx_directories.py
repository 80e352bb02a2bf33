"""Data sets of four IDX files, named as those of MNIST or EMNIST."""

import os
import re
import string
from pathlib import Path

import numpy as np

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.fashion_mnist.spec import FASHION_MNIST_CLASSES, FILES, Arrays
from jaxcnn.data.idx import find_idx, idx_sha256, read_idx
from jaxcnn.data.image_arrays import resize_gray
from jaxcnn.data.left_out import LeftOut
from jaxcnn.errors import InputError

KMNIST_CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
"""The romanized characters of KMNIST, in the order of the labels."""

Classes = tuple[int, tuple[str, ...]]
"""The label of the first class, and the names of all classes."""

# Lower-case letters that look like their capitals share a class with them.
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


def load_idx(path: str | os.PathLike[str], image_size: int | None = None) -> Dataset:
    """Load the images and labels of four IDX files, gzipped or not.

    The files are named train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte, or as in EMNIST, emnist-SPLIT-train-images-idx3-ubyte and so on, with test instead of t10k.
    EMNIST's images are stored transposed and are returned upright. Its letters are labeled from 1 and are returned
    with labels from 0.

    The class names are Fashion-MNIST's if the labels are equal to its labels, KMNIST's if the directory's name contains
    kmnist, and numbers from 0 otherwise. EMNIST's are read from emnist-SPLIT-mapping.txt if it exists, and are known
    for its official splits. The log names the IDX files that are not read: those of EMNIST next to MNIST's, and gzipped
    ones next to the same file uncompressed.

    Args:
        path: the directory, followed by /emnist-SPLIT if it holds several splits of EMNIST.
        image_size: height and width of the images; they are cropped and resized as in `read_pictures`. None keeps them.

    Returns:
        Gray images and labels.

    Raises:
        InputError: if a file is missing or damaged, the files do not match each other, or there are several splits.
    """
    directory, split = _locate(Path(path))
    if split is None:
        file_names = {name: file.name for name, file in FILES.items()}
        arrays = _read(directory, file_names)
        first, names = _classes(directory, arrays)
    else:
        file_names = {
            f"{part}_{kind}": f"emnist-{split}-{part}-{kind}-{rank}-ubyte"
            for part in ("train", "test")
            for kind, rank in (("images", "idx3"), ("labels", "idx1"))
        }
        arrays = _read(directory, file_names)
        first, names = _emnist_classes(directory, split, arrays)
        arrays |= {name: arrays[name].swapaxes(1, 2) for name in ("train_images", "test_images")}
    for name in ("train_images", "test_images"):
        images = arrays[name] if image_size is None else resize_gray(arrays[name], image_size)
        arrays[name] = np.ascontiguousarray(images)[..., None]
    dataset = Dataset(
        arrays["train_images"],
        arrays["train_labels"] - np.uint8(first),
        arrays["test_images"],
        arrays["test_labels"] - np.uint8(first),
        names,
    )
    _left_out(directory, split, set(file_names.values())).log(Path(path))
    return dataset


def _left_out(directory: Path, split: str | None, read: set[str]) -> LeftOut:
    """The IDX files in `directory` that repeat one of the files `read`, or are of another data set."""
    left_out = LeftOut()
    for name in sorted(path.name for path in directory.iterdir()):
        plain = name.removesuffix(".gz")
        if plain in read and name != plain and (directory / plain).exists():
            left_out["gzipped, next to the same file uncompressed", name] += 1
        elif split is None and (match := _EMNIST_FILE.fullmatch(name)):
            left_out["EMNIST next to MNIST's files", f"emnist-{match[1]}"] += 1
    return left_out


def _locate(path: Path) -> tuple[Path, str | None]:
    """The directory, and the split of EMNIST; None for files named as MNIST's."""
    try:
        picked = re.fullmatch("emnist-(.+)", path.name)
        if picked and not path.is_dir():
            return path.parent, picked[1]
        present = {file.name for file in path.iterdir()}
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): expected a directory with four IDX files"
        ) from error
    if any({file.name, f"{file.name}.gz"} & present for file in FILES.values()):
        return path, None
    splits = sorted({match[1] for match in map(_EMNIST_FILE.fullmatch, present) if match})
    if not splits:
        raise InputError(f"{path} holds no IDX files: expected four named as MNIST's or EMNIST's, gzipped or not")
    if len(splits) > 1:
        raise InputError(
            f"{path} holds several splits of EMNIST ({', '.join(splits)}): append one of them, as in "
            f"idx:{path / f'emnist-{splits[0]}'}"
        )
    return path, splits[0]


def _read(directory: Path, file_names: dict[str, str]) -> Arrays:
    arrays = {}
    for split in ("train", "test"):
        path = find_idx(directory, file_names[f"{split}_images"])
        images = read_idx(path)
        if images.ndim != 3 or images.size == 0:
            raise InputError(f"{path} holds an array of shape {images.shape}: expected images, (N, H, W)")
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
            f"{directory} has labels from {lowest} to {highest}: expected {first} to {first + len(names) - 1} for "
            f"EMNIST's {split}; download the files again"
        )
    return first, names


def _read_mapping(path: Path) -> Classes:
    """Read class names from lines of a label and the codes of its characters; the first one names the class."""
    try:
        rows = sorted([int(word) for word in line.split()] for line in path.read_text(encoding="ascii").splitlines())
        labels, names = [row[0] for row in rows], tuple(chr(row[1]) for row in rows)
        if labels != list(range(labels[0], labels[0] + len(labels))) or labels[0] not in (0, 1):
            raise ValueError("the labels are not consecutive")
    except (OSError, ValueError, IndexError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "unexpected content"
        raise InputError(
            f"{path} cannot be read as a mapping ({reason}): expected one label per line, counted from 0 or 1, and the "
            "code of its character; download the file again or remove it"
        ) from error
    return labels[0], names


def _highest_label(arrays: Arrays) -> int:
    return int(max(arrays["train_labels"].max(), arrays["test_labels"].max()))
