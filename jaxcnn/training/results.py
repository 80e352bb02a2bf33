"""What the loop tells as it goes: of each chunk of steps, and of each epoch."""

from dataclasses import dataclass, fields

from jaxcnn.training.state import TrainState
from jaxcnn.training.steps import Metrics


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
