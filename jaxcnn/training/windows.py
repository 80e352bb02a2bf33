"""What an epoch takes its examples from: all of them, on the device, or windows of them that come there in turn."""

import math
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Int, Integer, Shaped

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.training.layout import Layout

WINDOW_BYTES = 16_000_000
"""About how many bytes of images are streamed to the device at a time; a step's are never divided."""


class Span(NamedTuple):
    """Steps of an epoch, from `start` to before `stop`, of as many rows each."""

    start: int
    stop: int
    rows: int


def spans_of(num_examples: int, batch_size: int) -> list[Span]:
    """The full batches of an epoch, and what is left over.

    Examples:
        >>> spans_of(512, 100)
        [Span(start=0, stop=5, rows=100), Span(start=5, stop=6, rows=12)]
    """
    full, rest = divmod(num_examples, batch_size)
    spans = [Span(0, full, batch_size), Span(full, full + 1, rest)]
    return [span for span in spans if span.start < span.stop and span.rows > 0]


class Window(NamedTuple):
    """The examples of some of an epoch's steps, on the device.

    Attributes:
        first: the first of the steps.
        stop: the step after the last of them.
        images: (n, H, W, C), uint8.
        labels: (n,).
        order: for each replica, if there are several, the places of the steps' examples in `images`; those of step i
            begin at (i - first) * batch_size. None where they lie in that order.
    """

    first: int
    stop: int
    images: Shaped[Array, "n h w c"]
    labels: Integer[Array, " n"]
    order: Int[Array, "*replicas m"] | None

    def spans(self, spans: Sequence[Span]) -> list[Span]:
        """What the window has of `spans`."""
        inside = [Span(max(start, self.first), min(stop, self.stop), rows) for start, stop, rows in spans]
        return [span for span in inside if span.start < span.stop]


class Resident:
    """All examples on the device, for as long as this lives: one window an epoch."""

    def __init__(self, dataset: Dataset, layout: Layout, batch_size: int) -> None:
        self._train = layout.share(dataset.train_images), layout.share(dataset.train_labels)
        self._test = layout.share(dataset.test_images), layout.share(dataset.test_labels)
        self._steps = spans_of(len(dataset.train_labels), batch_size)[-1].stop
        self._test_steps = spans_of(len(dataset.test_labels), batch_size)[-1].stop

    def train(self, order: Int[Array, "*replicas n"], start: int) -> Iterator[Window]:  # noqa: ARG002
        """The windows of an epoch that takes the examples in `order`, from step `start` on."""
        yield Window(0, self._steps, *self._train, order)

    def test(self) -> Iterator[Window]:
        """The windows of all test examples in their order."""
        yield Window(0, self._test_steps, *self._test, None)


class Streamed:
    """Examples that come to the device in windows of a few steps, of which the next is read in the meantime.

    The windows of a split have one shape, so that a compiled program takes them all, and hold as many steps as are read
    in `seconds`, one at least. Of several hosts, which have to agree, they hold as many as fit. What is read is a
    function of the order and the step, so a stream is gone on with from the step that a checkpoint holds.
    """

    def __init__(self, dataset: StreamedDataset, layout: Layout, batch_size: int, seconds: float) -> None:
        self._dataset, self._layout, self._batch_size = dataset, layout, batch_size
        self._seconds = math.inf if layout.is_of_several_hosts else seconds

    def train(self, order: Int[Array, "*replicas n"], start: int) -> Iterator[Window]:
        """The windows of an epoch that takes the examples in `order`, from step `start` on."""
        *replicas, num_examples = order.shape
        count = math.prod(replicas)
        size, rows = self._sizes(count, num_examples)
        places = np.arange(size * count * rows, dtype=np.int32).reshape(size, count, rows).swapaxes(0, 1)
        positions = self._layout.place(places.reshape(*replicas, size * rows))
        for window in self._windows("train", np.asarray(order).reshape(count, num_examples), start):
            yield window._replace(order=positions)

    def test(self) -> Iterator[Window]:
        """The windows of all test examples in their order."""
        return self._windows("test", np.arange(len(self._dataset.test))[None], 0)

    def _sizes(self, replicas: int, num_examples: int) -> tuple[int, int]:
        """How many steps a window has, and how many examples of each replica a step has at most."""
        rows = min(self._batch_size, num_examples)
        fitting = WINDOW_BYTES // (replicas * rows * math.prod(self._dataset.image_shape))
        return max(1, min(fitting, math.ceil(num_examples / rows))), rows

    def _windows(self, split: str, order: Int[np.ndarray, "replicas n"], start: int) -> Iterator[Window]:
        """Windows of the examples of each step, in it those of each replica, each with room for a whole batch."""
        replicas, num_examples = order.shape
        size, rows = self._sizes(replicas, num_examples)
        steps, shape = math.ceil(num_examples / rows), self._dataset.image_shape
        chosen = [order[:, step * rows : (step + 1) * rows].ravel() for step in range(start, steps)]
        batches = self._dataset.batches(split, chosen, prefetch=size)
        first = start
        while first < steps:
            began = time.monotonic()
            images = np.zeros((size, replicas, rows, *shape), np.uint8)
            labels = np.zeros((size, replicas, rows), np.uint8)
            filled = 0
            while filled < min(size, steps - first) and (not filled or time.monotonic() - began < self._seconds):
                of_step, labels_of_step = next(batches)
                taken = len(labels_of_step) // replicas
                images[filled, :, :taken] = of_step.reshape(replicas, taken, *shape)
                labels[filled, :, :taken] = labels_of_step.reshape(replicas, taken)
                filled += 1
            shown, told = self._layout.share((images.reshape(-1, *shape), labels.ravel()))
            yield Window(first, first + filled, shown, told, None)
            first += filled
