"""What data a run is trained on: where they are, and what they contain."""

import hashlib
import unicodedata
from dataclasses import dataclass, field

import numpy as np

from jaxcnn.data import FASHION_MNIST_CLASSES, Dataset, StreamedDataset

_SAMPLE = 256  # examples of each split that are read of any data set
_BATCH = 256


@dataclass(frozen=True)
class DataSpec:
    """Description of a run's data set.

    Attributes:
        source: as for `data.load_dataset`; None for Fashion-MNIST.
        class_names: the name of each class, in Unicode's composed form (NFC).
        image_shape: height, width and channels of the images.
        num_examples: number of training and of test images, up to the run's limit; None if it was not recorded.
        sha256: of the images and labels, up to the run's limit, as `data_sha256` makes it; None if it was not recorded.
    """

    source: str | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    num_examples: tuple[int, ...] | None
    sha256: dict[str, str | None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        names = tuple(unicodedata.normalize("NFC", name) for name in self.class_names)
        object.__setattr__(self, "class_names", names)

    def has_contents_of(self, dataset: Dataset | StreamedDataset) -> bool:
        """Whether `dataset` has the images and labels of the run, as far as both are known."""
        recorded = self.sha256 or {}
        known = {part: digest for part, digest in data_sha256(dataset).items() if digest and recorded.get(part)}
        return all(recorded[part] == digest for part, digest in known.items())


ARRAYS = "arrays"
"""The source of a data set that was made of arrays; it cannot be loaded again."""

FASHION_MNIST = DataSpec(None, FASHION_MNIST_CLASSES, (28, 28, 1), (60_000, 10_000))


def data_sha256(dataset: Dataset | StreamedDataset) -> dict[str, str | None]:
    """SHA-256 of the images and labels of both splits, wherever they are stored.

    Returns:
        `sample` for up to 256 examples of each split at equal distances, and `all` for all of them; None if the data
        are streamed, because reading them can take hours. Each has 16 hexadecimal digits.

    Examples:
        >>> images, labels = np.zeros((2, 28, 28, 1), np.uint8), np.array([0, 1], np.uint8)
        >>> dataset = Dataset(images, labels, images, labels, ("shirt", "bag"))
        >>> data_sha256(dataset)["sample"] == data_sha256(dataset.streamed())["sample"]
        True
    """
    in_memory = isinstance(dataset, Dataset)
    return {"sample": _sha256(dataset, _SAMPLE), "all": _sha256(dataset, None) if in_memory else None}


def _sha256(dataset: Dataset | StreamedDataset, max_examples: int | None) -> str:
    digest = hashlib.sha256()
    for source in (dataset.train, dataset.test):
        count = len(source)
        indices = np.linspace(0, count - 1, min(count, max_examples or count)).astype(int)
        digest.update(f"{count} {dataset.image_shape}\n".encode())
        batches = [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
        for images, labels in source.batches(batches):
            digest.update(images.tobytes())
            digest.update(labels.tobytes())
    return digest.hexdigest()[:16]
