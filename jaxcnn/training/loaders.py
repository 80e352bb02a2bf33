"""Loaders: the examples of an epoch in blocks on the device, all of them or a few steps at a time."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Int, Integer, Shaped

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.training.options import FitOptions

BLOCK_BYTES = 16_000_000
"""Approximate bytes of images in a streamed block; a block has whole steps, one or more."""


class StepRange(NamedTuple):
    """The steps of an epoch from `start` to before `stop`, with `batch_size` examples each."""

    start: int
    stop: int
    batch_size: int


def step_ranges(num_examples: int, batch_size: int) -> list[StepRange]:
    """The full batches of an epoch, and the rest as a smaller one.

    Examples:
        >>> step_ranges(512, 100)
        [StepRange(start=0, stop=5, batch_size=100), StepRange(start=5, stop=6, batch_size=12)]
    """
    full, rest = divmod(num_examples, batch_size)
    ranges = [StepRange(0, full, batch_size), StepRange(full, full + 1, rest)]
    return [each for each in ranges if each.start < each.stop and each.batch_size > 0]


class DeviceBlock(NamedTuple):
    """The examples of some steps of an epoch, on the device.

    Attributes:
        first: the first of the steps.
        stop: the step after the last of them.
        images: (n, H, W, C), uint8.
        labels: (n,).
        order: the indices in `images` of the steps' examples, for each member of an ensemble; those of step i begin at
            (i - first) * batch_size. None if the examples are in the order of the steps.
    """

    first: int
    stop: int
    images: Shaped[Array, "n h w c"]
    labels: Integer[Array, " n"]
    order: Int[Array, "*members m"] | None

    def intersect(self, ranges: Sequence[StepRange]) -> list[StepRange]:
        """The parts of `ranges` in this block."""
        inside = [StepRange(max(start, self.first), min(stop, self.stop), size) for start, stop, size in ranges]
        return [each for each in inside if each.start < each.stop]


class ResidentLoader:
    """All examples on the device, for the lifetime of this object: one block an epoch."""

    def __init__(self, dataset: Dataset, options: FitOptions) -> None:
        replicate = options.placement.replicate
        self._batch_size = options.batch_size
        self._splits = {name: tuple(map(replicate, dataset.split(name))) for name in dataset.splits}

    def train(self, order: Int[Array, "*members n"], start: int) -> Iterator[DeviceBlock]:  # noqa: ARG002
        """The blocks of an epoch with the examples in `order`, from step `start`."""
        yield self._block("train", order)

    def evaluation(self, split: str) -> Iterator[DeviceBlock]:
        """The blocks of all examples of the split 'val' or 'test', in their order."""
        yield self._block(split, None)

    def _block(self, split: str, order: Int[Array, "*members n"] | None) -> DeviceBlock:
        images, labels = self._splits[split]
        return DeviceBlock(0, step_ranges(len(labels), self._batch_size)[-1].stop, images, labels, order)


class StreamingLoader:
    """Examples in blocks of a few steps; the next block is read while the device computes.

    All blocks of a split have the same shape, so one compiled program takes them all. A block is filled for at most
    `chunk_seconds`, with one step or more. Processes that share a run always fill whole blocks, so that they agree. The
    examples are a function of the order and the step alone, so a stream can be resumed from any step.
    """

    def __init__(self, dataset: StreamedDataset, options: FitOptions) -> None:
        self._dataset, self._placement, self._batch_size = dataset, options.placement, options.batch_size
        self._seconds = math.inf if options.placement.spans_processes else options.chunk_seconds

    def train(self, order: Int[Array, "*members n"], start: int) -> Iterator[DeviceBlock]:
        """The blocks of an epoch with the examples in `order`, from step `start`."""
        *members, num_examples = order.shape
        count = math.prod(members)
        size, rows = self._sizes(count, num_examples)
        indices = np.arange(size * count * rows, dtype=np.int32).reshape(size, count, rows).swapaxes(0, 1)
        positions = self._placement.shard_state(indices.reshape(*members, size * rows))
        for block in self._blocks("train", np.asarray(order).reshape(count, num_examples), start):
            yield block._replace(order=positions)

    def evaluation(self, split: str) -> Iterator[DeviceBlock]:
        """The blocks of all examples of the split 'val' or 'test', in their order."""
        return self._blocks(split, np.arange(len(getattr(self._dataset, split)))[None], 0)

    def _sizes(self, members: int, num_examples: int) -> tuple[int, int]:
        """Steps of a block, and the maximum number of examples of each member in a step."""
        rows = min(self._batch_size, num_examples)
        fitting = BLOCK_BYTES // (members * rows * math.prod(self._dataset.image_shape))
        return max(1, min(fitting, math.ceil(num_examples / rows))), rows

    def _blocks(self, split: str, order: Int[np.ndarray, "members n"], start: int) -> Iterator[DeviceBlock]:
        """Blocks of the examples of each step, with space for a whole batch of each member."""
        members, num_examples = order.shape
        size, rows = self._sizes(members, num_examples)
        steps, shape = math.ceil(num_examples / rows), self._dataset.image_shape
        chosen = [order[:, step * rows : (step + 1) * rows].ravel() for step in range(start, steps)]
        batches = self._dataset.batches(split, chosen, prefetch=size)
        first = start
        while first < steps:
            began = time.monotonic()
            images = np.zeros((size, members, rows, *shape), np.uint8)
            labels = np.zeros((size, members, rows), np.uint8)
            filled = 0
            while filled < min(size, steps - first) and (not filled or time.monotonic() - began < self._seconds):
                of_step, labels_of_step = next(batches)
                taken = len(labels_of_step) // members
                images[filled, :, :taken] = of_step.reshape(members, taken, *shape)
                labels[filled, :, :taken] = labels_of_step.reshape(members, taken)
                filled += 1
            images, labels = self._placement.replicate((images.reshape(-1, *shape), labels.ravel()))
            yield DeviceBlock(first, first + filled, images, labels, None)
            first += filled


def make_loader(dataset: Dataset | StreamedDataset, options: FitOptions) -> ResidentLoader | StreamingLoader:
    """The loader of `dataset`."""
    return ResidentLoader(dataset, options) if isinstance(dataset, Dataset) else StreamingLoader(dataset, options)
