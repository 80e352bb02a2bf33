"""The protocol of writers, which watch runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxcnn.runs.run import Run
from jaxcnn.training import ChunkResult, EpochResult, Placement


@dataclass(frozen=True)
class Setup:
    """What runs are trained with.

    Attributes:
        num_examples: number of training images.
        devices: the devices in words.
        placement: how the runs are placed on the devices.
        is_streamed: whether images are moved to the device as they are needed.
    """

    num_examples: int
    devices: str
    placement: Placement
    is_streamed: bool


class Writer:
    """Watches runs and writes what it sees: on a terminal, to a file, to a server. Override the methods you need.

    Writers are called between chunks of steps, so they do not slow a step. Runs that are trained in one program come
    together: each method gets all of them. Results have no state.

    Examples:
        >>> class Printer(Writer):
        ...     def on_epoch(self, results):
        ...         for run, result in results.items():
        ...             print(run.path.name, result.epoch, f"{result.test_accuracy:.3f}")
    """

    def on_start(self, runs: Sequence[Run], setup: Setup) -> None:
        """Training of `runs` begins, or is resumed from their `step`. Several groups of runs may follow each other."""

    def on_chunk(self, results: Mapping[Run, ChunkResult]) -> None:
        """A chunk of steps is done. `metrics` has `learning_rate` and `gradient_norm` too."""

    def on_epoch(self, results: Mapping[Run, EpochResult]) -> None:
        """An epoch is done; the checkpoint is being written in the background."""

    def on_end(self, runs: Sequence[Run]) -> None:
        """Training has ended, by itself, by a signal or by an error; also called if all `runs` were finished before."""
