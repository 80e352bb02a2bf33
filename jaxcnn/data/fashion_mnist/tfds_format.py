"""Fashion-MNIST in the format of TensorFlow Datasets (TFDS), read and written without TensorFlow.

TFDS sorts examples by a hash of their keys. The keys are the indices in the original files, so the reader can restore
the original order: the arrays are the same as those of the IDX files.
"""

# TFDS builders define their own arguments of _generate_examples:
# pyright: reportIncompatibleMethodOverride=false

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxcnn.data.fashion_mnist.spec import FILES, Arrays
from jaxcnn.data.idx import idx_sha256
from jaxcnn.data.tfds_records import is_version, open_version, quiet, read_records
from jaxcnn.errors import InputError
from jaxcnn.files import plain_path

VERSION = "3.0.1"


def find_version_directory(directory: Path) -> Path | None:
    """The prepared version in `directory`, its 3.0.1 or its fashion_mnist/3.0.1; None if there is none."""
    candidates = (directory / "fashion_mnist" / VERSION, directory / VERSION, directory)
    return next((candidate for candidate in candidates if is_version(candidate)), None)


def read_tfds(version_directory: Path) -> Arrays:
    """Read the arrays of a prepared directory, array_record or tfrecord, in the original order.

    Raises:
        InputError: if the directory cannot be read as Fashion-MNIST.
    """
    with open_version(version_directory, "Fashion-MNIST") as builder:
        if builder.info.name != "fashion_mnist":
            raise InputError(f"{version_directory} holds {builder.info.name}: expected fashion_mnist")
        return {name: array for split in ("train", "test") for name, array in _read_split(builder, split).items()}


def prepare_tfds(to: str | os.PathLike[str], load: Callable[[], Arrays]) -> Path:
    """Write arrays as the TFDS directory `to`/fashion_mnist/3.0.1, in array_record format.

    Args:
        to: the `data_dir` of TFDS.
        load: returns the arrays; called only once `to` is known to be writable.

    Returns:
        The directory of the version.

    Raises:
        InputError: if the directory already exists, or `to` is not writable.
    """
    target = Path(to) / "fashion_mnist" / VERSION
    try:
        if target.exists():
            raise InputError(f"{target} already exists: remove it or choose another directory")
        Path(to).mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".preparing-", dir=to))
        try:
            arrays = load()
            with quiet(), plain_path(temporary.absolute()) as place:
                _builder(arrays, place).download_and_prepare()
            target.parent.mkdir(exist_ok=True)
            (temporary / "fashion_mnist" / VERSION).rename(target)
        finally:
            shutil.rmtree(temporary)
    except OSError as error:
        raise InputError(
            f"{to} cannot be written ({error.strerror}): make it writable or choose another directory"
        ) from error
    return target


def _read_split(builder: Any, split: str) -> Arrays:
    examples = [builder.info.features.deserialize_example_np(record) for record in read_records(builder, split)]
    images = np.stack([np.asarray(example["image"])[..., 0] for example in examples])
    labels = np.array([example["label"] for example in examples], np.uint8)
    if idx_sha256(labels) == FILES[f"{split}_labels"].sha256:  # stored in the original order
        return {f"{split}_images": images, f"{split}_labels": labels}
    indices = _stored_order(split, len(examples))
    restored_images, restored_labels = np.empty_like(images), np.empty_like(labels)
    restored_images[indices], restored_labels[indices] = images, labels
    return {f"{split}_images": restored_images, f"{split}_labels": restored_labels}


def _stored_order(split: str, count: int) -> np.ndarray:
    """For each example of a prepared split, its index in the original file."""
    from tensorflow_datasets.core.hashing import Hasher

    return np.array(sorted(range(count), key=Hasher(split).hash_key))


def _builder(arrays: Arrays, directory: Path) -> Any:
    """TFDS's builder of Fashion-MNIST with the examples in `arrays`, without a download."""
    from PIL import Image
    from tensorflow_datasets.core import registered
    from tensorflow_datasets.image_classification import mnist

    def png(pixels: np.ndarray) -> io.BytesIO:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        file.seek(0)
        return file

    with registered.skip_registration():

        class FashionMNIST(mnist.FashionMNIST):
            __module__ = mnist.__name__  # recorded in the directory, by which TFDS finds its own builder
            name = "fashion_mnist"

            def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
                del dl_manager
                return {split: self._generate_examples(split) for split in ("train", "test")}

            def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
                pairs = zip(arrays[f"{split}_images"], arrays[f"{split}_labels"], strict=True)
                for index, (pixels, label) in enumerate(pairs):
                    yield index, {"image": png(pixels), "label": int(label)}

    return FashionMNIST(data_dir=directory, file_format="array_record")
