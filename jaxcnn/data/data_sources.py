"""Random access to the examples of a split, one batch at a time: from memory, or from disk with prefetching."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

Batch = tuple[np.ndarray, np.ndarray]
"""Images, (n, H, W, C), uint8, and their labels, (n,), uint8."""

_MAX_THREADS = 16
_EXAMPLES_PER_READ = 64  # array_record reads this many records in little more time than one


@runtime_checkable
class DataSource(Protocol):
    """The examples of a split, indexed from 0."""

    def __len__(self) -> int:
        """Number of examples."""
        ...

    def limit(self, count: int | None) -> "DataSource":
        """The first `count` examples; None keeps all."""
        ...

    def read_labels(self) -> np.ndarray:
        """The labels of all examples, (N,), uint8."""
        ...

    def batches(self, indices: Sequence[np.ndarray], *, prefetch: int = 1) -> Iterator[Batch]:
        """Yield one batch for each array of indices, in the given order.

        Args:
            indices: for each batch, the indices of its examples, (n,), integers.
            prefetch: number of batches to read ahead if the examples are on disk. The reader may go further to keep
                all its threads busy.

        Yields:
            Images, (n, H, W, C), uint8, and labels, (n,), uint8.

        Raises:
            InputError: if an example cannot be read.
        """
        ...


@dataclass(frozen=True)
class ArraySource:
    """A data source in memory.

    Attributes:
        images: (N, H, W, C), uint8.
        labels: (N,), uint8.

    Examples:
        >>> source = ArraySource(np.zeros((3, 2, 2, 1), np.uint8), np.arange(3, dtype=np.uint8))
        >>> [labels.tolist() for _, labels in source.batches([np.array([2, 0]), np.array([1])])]
        [[2, 0], [1]]
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def limit(self, count: int | None) -> "ArraySource":
        """The first `count` examples; None keeps all."""
        return ArraySource(self.images[:count], self.labels[:count])

    def read_labels(self) -> np.ndarray:
        """The labels of all examples."""
        return self.labels

    def batches(self, indices: Sequence[np.ndarray], *, prefetch: int = 1) -> Iterator[Batch]:  # noqa: ARG002
        """Yield one batch for each array of indices. Each batch is copied when it is requested."""
        return ((self.images[chosen], self.labels[chosen]) for chosen in indices)


@dataclass(frozen=True)
class StoredSource:
    """A data source on disk, read by Grain's threads.

    Attributes:
        num_examples: number of examples.
        fetch: reads the examples at the given indices. Several threads call it at once.
        fetch_labels: reads the labels of all examples without their images; None reads them with `fetch`. Labels beyond
            `num_examples` are ignored.

    Examples:
        >>> source = StoredSource(3, lambda indices: (np.zeros((len(indices), 2, 2, 1), np.uint8), np.uint8(indices)))
        >>> [labels.tolist() for _, labels in source.batches([np.array([2, 0]), np.array([1])])]
        [[2, 0], [1]]

    References:
        https://google-grain.readthedocs.io
    """

    num_examples: int
    fetch: Callable[[np.ndarray], Batch]
    fetch_labels: Callable[[], np.ndarray] | None = None

    def __len__(self) -> int:
        return self.num_examples

    def limit(self, count: int | None) -> "StoredSource":
        """The first `count` examples; None keeps all."""
        return self if count is None else replace(self, num_examples=min(count, self.num_examples))

    def read_labels(self) -> np.ndarray:
        """The labels of all examples."""
        if self.fetch_labels is not None:
            return self.fetch_labels()[: self.num_examples]
        indices = np.arange(self.num_examples)
        reads = [indices[start : start + _EXAMPLES_PER_READ] for start in range(0, len(indices), _EXAMPLES_PER_READ)]
        return np.concatenate([labels for _, labels in self.batches(reads)])

    def batches(self, indices: Sequence[np.ndarray], *, prefetch: int = 1) -> Iterator[Batch]:
        """Yield one batch for each array of indices. Up to 16 threads, at most one per core, read ahead."""
        import grain  # here, because importing it takes half a second

        reads = [
            [batch[start : start + _EXAMPLES_PER_READ] for start in range(0, len(batch), _EXAMPLES_PER_READ)]
            for batch in indices
        ]
        reads_ahead = sum(map(len, reads[:prefetch]))
        num_threads = min(_num_cores(), _MAX_THREADS)
        options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=max(reads_ahead, 2 * num_threads))
        source = grain.MapDataset.source(list(itertools.chain.from_iterable(reads)))
        iterator = iter(source.map(self.fetch).to_iter_dataset(options))
        try:
            for reads_of_batch in reads:
                images, labels = zip(*itertools.islice(iterator, len(reads_of_batch)), strict=True)
                yield np.concatenate(images), np.concatenate(labels)
        finally:
            iterator.close()


@dataclass(frozen=True)
class SubsetSource:
    """Some of the examples of another data source.

    Attributes:
        source: the other data source.
        indices: those of the examples in `source`, (n,), integers.

    Examples:
        >>> source = ArraySource(np.zeros((3, 2, 2, 1), np.uint8), np.arange(3, dtype=np.uint8))
        >>> SubsetSource(source, np.array([0, 2])).read_labels().tolist()
        [0, 2]
    """

    source: DataSource
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def limit(self, count: int | None) -> "SubsetSource":
        """The first `count` examples; None keeps all."""
        return replace(self, indices=self.indices[:count])

    def read_labels(self) -> np.ndarray:
        """The labels of all examples."""
        return self.source.read_labels()[self.indices]

    def batches(self, indices: Sequence[np.ndarray], *, prefetch: int = 1) -> Iterator[Batch]:
        """Yield one batch for each array of indices, as the other data source does."""
        return self.source.batches([self.indices[chosen] for chosen in indices], prefetch=prefetch)


def _num_cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
