"""Metrics of each chunk and epoch in TensorBoard."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from jaxcnn.errors import InputError
from jaxcnn.runs import Run, Setup, Writer
from jaxcnn.training import ChunkResult, EpochResult


class TensorBoardWriter(Writer):
    """Writes event files to the directory `tensorboard` of each run; `tensorboard --logdir WORKDIR` shows them.

    Curves named chunk/NAME have a point for each chunk, against the step, those named epoch/NAME one for each epoch.
    Points of steps that a resumed run takes again are replaced.

    Raises:
        InputError: if tensorboardX is not installed.
    """

    def __init__(self) -> None:
        try:
            from tensorboardX import event_file_writer, summary
            from tensorboardX.proto.event_pb2 import (  # Protobuf makes them when they are imported
                Event,  # pyright: ignore[reportAttributeAccessIssue]
                SessionLog,  # pyright: ignore[reportAttributeAccessIssue]
            )
        except ImportError as error:
            raise InputError(
                "--log-to tensorboard: tensorboardX is not installed; pip install 'jaxcnn[tensorboard]'"
            ) from error
        logging.getLogger("tensorboardX").setLevel(logging.ERROR)  # it warns of every NaN
        self._make = event_file_writer.EventsWriter  # SummaryWriter writes in a thread, whose errors it only prints
        self._scalar = summary.scalar
        self._event, self._session = Event, SessionLog
        self._files: dict[Run, Any] = {}

    def on_start(self, runs: Sequence[Run], setup: Setup) -> None:  # noqa: ARG002
        """Open an event file for each run."""
        for run in runs:
            directory = run.path.absolute() / "tensorboard"  # tensorboardX would read a leading s3: as a bucket
            directory.mkdir(exist_ok=True)
            self._files[run] = self._make(str(directory / "events"), f".{time.time_ns()}")
            started = self._session(status=self._session.START)  # hides later steps in earlier files
            self._files[run].write_event(self._event(step=run.step + 1, session_log=started))

    def on_chunk(self, results: Mapping[Run, ChunkResult]) -> None:
        """Add a point to each curve of a chunk."""
        for run, result in results.items():
            step = (result.epoch - 1) * result.steps + result.steps_done
            scalars = {**result.metrics, "images_per_second": result.images_per_second}
            self._write(run, "chunk", scalars, step)

    def on_epoch(self, results: Mapping[Run, EpochResult]) -> None:
        """Add a point to each curve of an epoch."""
        for run, result in results.items():
            self._write(run, "epoch", {**result.metrics, "seconds": result.seconds}, run.step)

    def on_end(self, runs: Sequence[Run]) -> None:  # noqa: ARG002
        """Close all event files, even if one of them cannot be written to its end."""
        with ExitStack() as endings:
            for file in self._files.values():
                endings.callback(file.close)
        self._files.clear()

    def _write(self, run: Run, group: str, scalars: Mapping[str, Any], step: int) -> None:
        for name, value in scalars.items():
            summary = self._scalar(f"{group}/{name}", float(value))
            self._files[run].write_event(self._event(wall_time=time.time(), step=step, summary=summary))
        self._files[run].flush()
