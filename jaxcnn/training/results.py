"""Results of training: after each chunk of steps, and after each epoch."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
from flax import struct

from jaxcnn.training.metrics import METRICS

Number: TypeAlias = Any
"""A float for one run; for an ensemble a NumPy array with an entry for each member."""


class ChunkResult(struct.PyTreeNode):
    """The state of an epoch after a chunk of its steps, for one run or for an ensemble with a leading member axis.

    Attributes:
        epoch: counted from 1.
        steps_done: steps of the epoch that are done.
        steps: steps of the whole epoch.
        metrics: by name, the mean over the steps of this chunk; `gradient_norm` too.
        epoch_metrics: the same over all steps of the epoch so far.
        seconds: time of this chunk; a member's share of it.
        images_per_second: training images by the time of this chunk, of all members together.
        diverged_at: the first step of the chunk, counted from 1 in the epoch, whose loss is not finite; 0 for none.
        state: the `TrainState` after the chunk. The next chunk reuses its memory and that of `step_metrics`: copy what
            you keep before you ask for the next result. Writers get None for both.
        step_metrics: `Metrics` with an entry for each step of the epoch, zero for those to come.
    """

    epoch: int = struct.field(pytree_node=False)
    steps_done: int = struct.field(pytree_node=False)
    steps: int = struct.field(pytree_node=False)
    metrics: dict[str, Number]
    epoch_metrics: dict[str, Number]
    seconds: Number
    images_per_second: float = struct.field(pytree_node=False)
    diverged_at: Number
    state: Any = struct.field(default=None, repr=False)
    step_metrics: Any = struct.field(default=None, repr=False)

    @property
    def train_loss(self) -> Number:
        """Mean over the steps of the epoch so far of their mean cross-entropy, in nats."""
        return self.epoch_metrics["loss"]

    @property
    def train_accuracy(self) -> Number:
        """Share of the examples of the epoch so far that were correct."""
        return self.epoch_metrics["accuracy"]

    def member(self, index: int) -> "ChunkResult":
        """The result of one member of an ensemble; that of a single run is its own."""
        return self if np.ndim(self.seconds) == 0 else jax.tree.map(lambda leaf: leaf[index], self)


class EpochResult(struct.PyTreeNode):
    """A finished epoch, of one run or of an ensemble with a leading member axis.

    Attributes:
        epoch: counted from 1.
        metrics: by name: 'train_loss', the mean over the steps of their mean cross-entropy in nats; 'test_loss', the
            mean over the test examples after the epoch; and for every other metric the mean over the training examples
            as they were used, such as 'train_accuracy', and over the test examples after the epoch, such as
            'test_accuracy'. With a validation split, the same for its examples, such as 'val_loss' and 'val_accuracy'.
        seconds: time of training and evaluation without compilation; a member's share of it.
        images_per_second: training images by the time of training alone, of all members together.
        compile_seconds: time of compilation before the epoch, 0 after the first; a member's share of it.
        state: the `TrainState` after the epoch; None in the record of a run.

    The times of an epoch that was resumed are those since then.
    """

    epoch: int = struct.field(pytree_node=False)
    metrics: dict[str, Number]
    seconds: Number
    images_per_second: float = struct.field(pytree_node=False)
    compile_seconds: Number
    state: Any = struct.field(default=None, repr=False)

    @property
    def train_loss(self) -> Number:
        """Mean over the epoch's steps of their mean cross-entropy, in nats."""
        return self.metrics["train_loss"]

    @property
    def train_accuracy(self) -> Number:
        """Share of the training examples that were correct as they were used."""
        return self.metrics["train_accuracy"]

    @property
    def val_loss(self) -> Number | None:
        """Mean cross-entropy of the validation examples after the epoch, in nats; None without a validation split."""
        return self.metrics.get("val_loss")

    @property
    def val_accuracy(self) -> Number | None:
        """Share of the validation examples that are correct after the epoch; None without a validation split."""
        return self.metrics.get("val_accuracy")

    @property
    def test_loss(self) -> Number:
        """Mean cross-entropy of the test examples after the epoch, in nats."""
        return self.metrics["test_loss"]

    @property
    def test_accuracy(self) -> Number:
        """Share of the test examples that are correct after the epoch."""
        return self.metrics["test_accuracy"]

    @property
    def metric_names(self) -> list[str]:
        """The metrics without the name of the split: those of `METRICS` in their order, then the others by name."""
        names = {name.partition("_")[2] for name in self.metrics}
        known = [name for name in METRICS if name in names]
        return [*known, *sorted(names - set(known))]

    @property
    def further_metrics(self) -> list[str]:
        """The names of the metrics of the test examples, except for loss and accuracy."""
        names = [name for name in self.metric_names if f"test_{name}" in self.metrics]
        return [name for name in names if name not in ("loss", "accuracy")]

    def member(self, index: int) -> "EpochResult":
        """The result of one member of an ensemble; that of a single run is its own."""
        return self if np.ndim(self.seconds) == 0 else jax.tree.map(lambda leaf: leaf[index], self)

    def as_json(self) -> dict[str, Any]:
        """The result of one run without its state, as a line of metrics.jsonl holds it.

        Examples:
            >>> metrics = {"test_loss": 0.4, "test_accuracy": 0.9, "train_loss": 0.5, "train_accuracy": 0.8}
            >>> record = EpochResult(1, metrics, 2.0, 10.0, 0.0).as_json()
            >>> list(record)[:3], EpochResult.from_json(record).test_loss
            (['epoch', 'train_loss', 'train_accuracy'], 0.4)
        """
        order = [f"{split}_{name}" for split in ("train", "val", "test") for name in self.metric_names]
        return {
            "epoch": self.epoch,
            **{name: float(self.metrics[name]) for name in order if name in self.metrics},
            "seconds": float(self.seconds),
            "images_per_second": self.images_per_second,
            "compile_seconds": float(self.compile_seconds),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "EpochResult":
        """The result that `as_json` gave `record` of.

        Raises:
            KeyError: if an entry is missing.
            TypeError: if one is not a number.
        """
        for name, value in record.items():
            if not isinstance(value, int | float):
                raise TypeError(f"{name} is {value!r}: expected a number")
        rest = dict(record)
        missing = [name for name in _NEEDED if name not in rest]
        if missing:
            raise KeyError(", ".join(missing))
        epoch, seconds, rate, compiling = (rest.pop(name) for name in _TIMES)
        return cls(epoch, rest, seconds, rate, compiling)


def best_epoch(epochs: Sequence[EpochResult]) -> EpochResult | None:
    """The first epoch with the highest validation accuracy; None without a validation split.

    Examples:
        >>> common = {"train_loss": 0.5, "train_accuracy": 0.8, "test_loss": 0.4, "test_accuracy": 0.9}
        >>> epochs = [
        ...     EpochResult(number, {**common, "val_accuracy": accuracy}, 2.0, 10.0, 0.0)
        ...     for number, accuracy in enumerate((0.7, 0.8, 0.8), 1)
        ... ]
        >>> best_epoch(epochs).epoch
        2
    """
    validated = [epoch for epoch in epochs if epoch.val_accuracy is not None]
    return max(validated, key=lambda epoch: float(epoch.metrics["val_accuracy"]), default=None)


_TIMES = ("epoch", "seconds", "images_per_second", "compile_seconds")
_NEEDED = (*_TIMES, "train_loss", "train_accuracy", "test_loss", "test_accuracy")
