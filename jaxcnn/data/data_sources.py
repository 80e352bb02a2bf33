"""Examples that are taken a batch at a time, in any order: from memory, or from disk, where they are read ahead."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

Batch = tuple[np.ndarray, np.ndarray]
"""Images, (n, H, W, C), uint8, and their labels, (n,), uint8."""

_MOST_THREADS = 16
_PIECE = 64  # examples that a thread reads at a time: many records of array_record take little more than one


@runtime_checkable
class Examples(Protocol):
    """The examples of a split, each known by its place from 0 on."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def limit(self, count: int | None) -> "Examples":
        """The first `count` of them; None for all."""
        ...

    def batches(self, places: Sequence[np.ndarray], *, ahead: int = 1) -> Iterator[Batch]:
        """A batch for each array of places, in their order.

        Args:
            places: of each batch, (n,), integers. What a sequence gives is asked for when its batch is read.
            ahead: about how many batches are read before they are asked for, if they are on disk: as many examples as
                they have, and more only where threads would be idle.

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

    def limit(self, count: int | None) -> "ArrayExamples":
        """The first `count` of them; None for all."""
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
        >>> examples = StoredExamples(3, lambda places: (np.zeros((len(places), 2, 2, 1), np.uint8), np.uint8(places)))
        >>> [labels.tolist() for _, labels in examples.batches([np.array([2, 0]), np.array([1])])]
        [[2, 0], [1]]

    References:
        https://google-grain.readthedocs.io
    """

    count: int
    fetch: Callable[[np.ndarray], Batch]

    def __len__(self) -> int:
        return self.count

    def limit(self, count: int | None) -> "StoredExamples":
        """The first `count` of them; None for all."""
        return self if count is None else replace(self, count=min(count, self.count))

    def batches(self, places: Sequence[np.ndarray], *, ahead: int = 1) -> Iterator[Batch]:
        """A batch for each array of places, read ahead by as many threads as there are cores, 16 at most."""
        import grain  # here, because its import takes half a second

        pieces = [[batch[at : at + _PIECE] for at in range(0, len(batch), _PIECE)] for batch in places]
        wanted = sum(map(len, pieces[:ahead]))
        threads = min(_cores(), _MOST_THREADS)
        options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(wanted, 2 * threads))
        source = grain.MapDataset.source(list(itertools.chain.from_iterable(pieces)))
        iterator = iter(source.map(self.fetch).to_iter_dataset(options))
        try:
            for of_batch in pieces:
                images, labels = zip(*itertools.islice(iterator, len(of_batch)), strict=True)
                yield np.concatenate(images), np.concatenate(labels)
        finally:
            iterator.close()


def _cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
