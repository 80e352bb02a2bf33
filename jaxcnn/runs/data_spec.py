"""Description of a run's data set: its source and its contents."""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jaxcnn.data import FASHION_MNIST_CLASSES, Dataset, DataSource, StreamedDataset
from jaxcnn.words import printable

_SAMPLE = 256  # examples of each split that are read even from a streamed data set
_BATCH = 256


def normalize_names(names: Iterable[str]) -> tuple[str, ...]:
    """`names` in Unicode's composed form (NFC); file systems return the names of folders in different forms."""
    return tuple(unicodedata.normalize("NFC", name) for name in names)


@dataclass(frozen=True)
class DataSpec:
    """Description of a run's data set.

    Attributes:
        source: as for `data.load_dataset`; None for Fashion-MNIST.
        class_names: the name of each class, in Unicode's composed form (NFC).
        image_shape: height, width and channels of the images.
        num_examples: number of training and of test images, up to the run's limit; None if it was not recorded.
        sha256: of the images and labels, up to the run's limit, from `data_sha256`; None if it was not recorded.
    """

    source: str | None
    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    num_examples: tuple[int, ...] | None
    sha256: dict[str, str | None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", normalize_names(self.class_names))

    @property
    def light_on_dark(self) -> bool:
        """Whether the images are gray and light on dark, like Fashion-MNIST's. Image files are converted to this."""
        return self.source is None or self.source.startswith("idx:")

    @property
    def title(self) -> str:
        """The name of the data: Fashion-MNIST, or the name of its directory without the path.

        Examples:
            >>> from dataclasses import replace
            >>> replace(FASHION_MNIST, source="folder:/data/pets").title
            'pets'
        """
        if self.source is None:
            return "Fashion-MNIST"
        return printable(Path(self.source.partition(":")[2] or self.source).name)

    def is_same_as(self, other: "DataSpec") -> bool:
        """Whether the data of another run is from the same place or has the same SHA-256."""
        one, two = (dict(data.sha256 or {}) for data in (self, other))
        common = [part for part in one if one[part] and two.get(part)]
        return self.source == other.source or (bool(common) and all(one[part] == two[part] for part in common))

    def has_contents_of(self, dataset: Dataset | StreamedDataset) -> bool:
        """Whether the digests of `dataset` are equal to those of the run; parts that one of them lacks are ignored."""
        recorded = self.sha256 or {}
        known = {part: digest for part, digest in data_sha256(dataset).items() if digest and recorded.get(part)}
        return all(recorded[part] == digest for part, digest in known.items())


ARRAYS = "arrays"
"""The source of a data set that was made from arrays; it cannot be loaded again."""

FASHION_MNIST = DataSpec(None, FASHION_MNIST_CLASSES, (28, 28, 1), (60_000, 10_000))


def data_sha256(dataset: Dataset | StreamedDataset) -> dict[str, str | None]:
    """SHA-256 of the images and labels of the splits; it does not depend on where they are stored.

    Returns:
        The first 16 hexadecimal digits: `sample`, of up to 256 examples of each split at equal distances, and `all`, of
        all examples. `all` is None if the data is streamed, because reading it can take hours. Both are of the training
        and test examples; `val` is a sample of the validation split that the data has.

    Examples:
        >>> images, labels = np.zeros((2, 28, 28, 1), np.uint8), np.array([0, 1], np.uint8)
        >>> dataset = Dataset(images, labels, images, labels, ("shirt", "bag"))
        >>> data_sha256(dataset)["sample"] == data_sha256(dataset.streamed())["sample"]
        True
    """
    in_memory, own = isinstance(dataset, Dataset), [dataset.train, dataset.test]
    digests = {"sample": _sha256(dataset, own, _SAMPLE), "all": _sha256(dataset, own, None) if in_memory else None}
    return digests if dataset.val is None else digests | {"val": _sha256(dataset, [dataset.val], _SAMPLE)}


def _sha256(dataset: Dataset | StreamedDataset, sources: Iterable[DataSource], max_examples: int | None) -> str:
    digest = hashlib.sha256()
    for source in sources:
        count = len(source)
        indices = np.linspace(0, count - 1, min(count, max_examples or count)).astype(int)
        digest.update(f"{count} {dataset.image_shape}\n".encode())
        batches = [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
        for images, labels in source.batches(batches):
            digest.update(images.tobytes())
            digest.update(labels.tobytes())
    return digest.hexdigest()[:16]
