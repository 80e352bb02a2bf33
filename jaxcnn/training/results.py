"""What the loop tells as it goes: of each chunk of steps, and of each epoch."""

from dataclasses import dataclass, fields
from typing import TypeVar

import jax
import numpy as np
from jaxtyping import Float, Int

from jaxcnn.training.state import TrainState
from jaxcnn.training.steps import Metrics

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class ChunkResult:
    """How an epoch stands after a chunk of its steps.

    Attributes:
        epoch: counted from 1.
        steps_done: steps taken in this epoch.
        steps: steps of the whole epoch.
        train_loss: mean over the steps so far of their mean cross-entropy.
        train_accuracy: share of the examples so far that were right.
        seconds: time of this chunk.
        images_per_second: rate of this chunk.
        state: the state after the chunk. The next chunk takes over its memory, and that of `metrics`: what is to be
            kept is copied before the next event is asked for.
        metrics: an entry for each step of the epoch, zero for those that are to come.
        diverged_at: the first step of the chunk, counted from 1 in the epoch, whose loss is not finite; None for none.
    """

    epoch: int
    steps_done: int
    steps: int
    train_loss: float
    train_accuracy: float
    seconds: float
    images_per_second: float
    state: TrainState
    metrics: Metrics
    diverged_at: int | None


@dataclass(frozen=True)
class EpochFigures:
    """What is told of a finished epoch.

    Attributes:
        epoch: counted from 1.
        train_loss: mean over the epoch's steps of their mean cross-entropy, in nats.
        train_accuracy: share of the training examples that were right as they came by.
        test_loss: mean cross-entropy of the test examples after the epoch.
        test_accuracy: share of the test examples that are right after the epoch.
        seconds: time of its training and evaluation, without compilation.
        images_per_second: training images by the seconds of training alone.
        compile_seconds: time of compilation before the epoch; in a first epoch alone.

    Of an epoch that was gone on with, the times are those from there on.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    images_per_second: float
    compile_seconds: float


@dataclass(frozen=True)
class EpochResult(EpochFigures):
    """A finished epoch: its figures, and the state after it.

    Attributes:
        state: the state after the epoch.
    """

    state: TrainState

    @property
    def figures(self) -> EpochFigures:
        """The figures alone, which are cheap to keep."""
        return EpochFigures(**{field.name: getattr(self, field.name) for field in fields(EpochFigures)})


@dataclass(frozen=True)
class ReplicasChunk:
    """How an epoch of several replicas stands after a chunk of its steps; of a single run, without the replicas' axis.

    Attributes:
        epoch: counted from 1.
        steps_done: steps that each took in this epoch.
        steps: steps of the whole epoch.
        train_loss: as of a `ChunkResult`, an entry a replica.
        train_accuracy: likewise.
        seconds: time of this chunk.
        images_per_second: rate of this chunk, of all replicas together.
        state: the states after the chunk, stacked along the first axis; their memory is taken over as that of a
            `ChunkResult`.
        metrics: likewise, an entry a replica and step.
        diverged_at: the first step of the chunk, counted from 1 in the epoch, whose loss is not finite; 0 for none.
    """

    epoch: int
    steps_done: int
    steps: int
    train_loss: Float[np.ndarray, "*replicas"]
    train_accuracy: Float[np.ndarray, "*replicas"]
    seconds: float
    images_per_second: float
    state: TrainState
    metrics: Metrics
    diverged_at: Int[np.ndarray, "*replicas"]

    def replica(self, *index: int) -> ChunkResult:
        """That of one replica, with its share of the time; of a single run with no index."""
        shared = 1 / self.train_loss.size
        return ChunkResult(
            epoch=self.epoch,
            steps_done=self.steps_done,
            steps=self.steps,
            train_loss=float(self.train_loss[index]),
            train_accuracy=float(self.train_accuracy[index]),
            seconds=self.seconds * shared,
            images_per_second=self.images_per_second,
            state=take_replica(self.state, *index),
            metrics=take_replica(self.metrics, *index),
            diverged_at=int(self.diverged_at[index]) or None,
        )


@dataclass(frozen=True)
class ReplicasEpoch:
    """A finished epoch of several replicas; of a single run, without the replicas' axis.

    Attributes:
        epoch: counted from 1.
        train_loss: as of `EpochFigures`, an entry a replica.
        train_accuracy: likewise.
        test_loss: likewise.
        test_accuracy: likewise.
        seconds: time of the training and evaluation of all, without compilation.
        images_per_second: training images of all by the seconds of training alone.
        compile_seconds: time of compilation before the epoch; in a first epoch alone.
        state: the states after the epoch, stacked along the first axis.
    """

    epoch: int
    train_loss: Float[np.ndarray, "*replicas"]
    train_accuracy: Float[np.ndarray, "*replicas"]
    test_loss: Float[np.ndarray, "*replicas"]
    test_accuracy: Float[np.ndarray, "*replicas"]
    seconds: float
    images_per_second: float
    compile_seconds: float
    state: TrainState

    def replica(self, *index: int) -> EpochResult:
        """That of one replica, with its share of the time; of a single run with no index."""
        shared = 1 / self.train_loss.size
        return EpochResult(
            epoch=self.epoch,
            train_loss=float(self.train_loss[index]),
            train_accuracy=float(self.train_accuracy[index]),
            test_loss=float(self.test_loss[index]),
            test_accuracy=float(self.test_accuracy[index]),
            seconds=self.seconds * shared,
            images_per_second=self.images_per_second,
            compile_seconds=self.compile_seconds * shared,
            state=take_replica(self.state, *index),
        )


def take_replica(tree: Tree, *index: int) -> Tree:
    """Of what is stacked, that of one replica; with no index, all of it."""
    return jax.tree.map(lambda leaf: leaf[index], tree) if index else tree
