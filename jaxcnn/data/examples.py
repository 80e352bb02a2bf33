"""Examples that are taken a batch at a time, in any order: from memory, or from disk, where they are read ahead."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

Batch = tuple[np.ndarray, np.ndarray]
"""Images, (n, H, W, C), uint8, and their labels, (n,), uint8."""

_MOST_THREADS = 16


@runtime_checkable
class Examples(Protocol):
    """The examples of a split, each known by its place from 0 on."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def limit(self, count: int) -> "Examples":
        """The first `count` of them."""
        ...

    def batches(self, places: Sequence[np.ndarray], *, ahead: int = 1) -> Iterator[Batch]:
        """A batch for each array of places, in their order.

        Args:
            places: of each batch, (n,), integers. What a sequence gives is asked for when its batch is read.
            ahead: how many batches may be read before they are asked for, from disk at least.

        Raises:
            InputError: if an example cannot be read.
        """
        ...


@dataclass(frozen=True)
class ArrayExamples:
    """Examples in memory.

    Attributes:
        images: (N, H, W, C), uint8.
        labels: (N,), uint8.

    Examples:
        >>> examples = ArrayExamples(np.zeros((3, 2, 2, 1), np.uint8), np.arange(3, dtype=np.uint8))
        >>> [labels.tolist() for _, labels in examples.batches([np.array([2, 0]), np.array([1])])]
        [[2, 0], [1]]
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def limit(self, count: int) -> "ArrayExamples":
        """The first `count` of them."""
        return ArrayExamples(self.images[:count], self.labels[:count])

    def batches(self, places: Sequence[np.ndarray], *, ahead: int = 1) -> Iterator[Batch]:  # noqa: ARG002
        """A batch for each array of places, copied as it is asked for."""
        return ((self.images[chosen], self.labels[chosen]) for chosen in places)


@dataclass(frozen=True)
class StoredExamples:
    """Examples on disk, read by Grain's threads.

    Attributes:
        count: how many there are.
        fetch: reads those at the places that it is given, in several threads at once.

    Examples:
        >>> examples = StoredExamples(3, lambda places: (np.zeros((len(places), 2, 2, 1), np.uint8), places))
        >>> [labels.tolist() for _, labels in examples.batches([np.array([2, 0]), np.array([1])])]
        [[2, 0], [1]]

    References:
        https://google-grain.readthedocs.io
    """

    count: int
    fetch: Callable[[np.ndarray], Batch]

    def __len__(self) -> int:
        return self.count

    def limit(self, count: int) -> "StoredExamples":
        """The first `count` of them."""
        return replace(self, count=min(count, self.count))

    def batches(self, places: Sequence[np.ndarray], *, ahead: int = 1) -> Iterator[Batch]:
        """A batch for each array of places, read ahead by as many threads as there are cores."""
        import grain  # here, because its import takes half a second

        threads = min(os.cpu_count() or 1, _MOST_THREADS)
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(ahead, 2 * threads))
        # its elements are batches, because many records are read for hardly more than one
        iterator = iter(grain.MapDataset.source(places).map(self.fetch).to_iter_dataset(options))
        try:
            yield from iterator
        finally:
            iterator.close()
