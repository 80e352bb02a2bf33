"""One training run as it goes: how far it is, and what it leaves."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from jaxcnn.errors import DivergedError, RunError, StoppedError
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.directory import RunDirectory, params_sha256
from jaxcnn.runs.environment import Device, describe_devices, software_versions
from jaxcnn.training import Checkpoints, ChunkResult, EpochFigures, EpochResult, Metrics, TrainState

_LOGGER = logging.getLogger(__name__)


@dataclass
class Run:
    """A run: what it needs, and how far it is, which is what a checkpoint holds.

    Attributes:
        config: what was asked for.
        directory: where it leaves what it does.
        checkpoints: those in `directory`.
        state: the state after the steps that were taken.
        after_epoch: called after each epoch, once its checkpoint is on disk.
        epochs: figures of the epochs that are done.
        metrics: what the steps of an epoch in progress gave; None between epochs.
        seconds: time that the epoch in progress took before this process.
        saved_step: step of the newest checkpoint; 0 for none.
        ending: why it ended before its time; None where it did not.
    """

    config: RunConfig
    directory: RunDirectory
    checkpoints: Checkpoints
    state: TrainState
    after_epoch: Callable[[], object] | None = None
    epochs: list[EpochFigures] = field(default_factory=list)
    metrics: Metrics | None = None
    seconds: float = 0.0
    saved_step: int = 0
    ending: RunError | StoppedError | None = None

    @property
    def step(self) -> int:
        """How many steps have been taken."""
        return int(self.state.step)

    @property
    def status(self) -> str:
        """How it stands: finished, diverged or interrupted."""
        if len(self.epochs) == self.config.recipe.num_epochs:
            return "finished"
        return "diverged" if isinstance(self.ending, DivergedError) else "interrupted"

    def resume(self, up_to: int | None = None) -> None:
        """Go back to the newest checkpoint, that of the step `up_to` at most, and bring the files in line with it."""
        for step in self.checkpoints.clear_cut_short():
            _LOGGER.warning("checkpoint %d was cut short and is skipped", step)
        if self.checkpoints.steps():
            self.state, history = self.checkpoints.resume(self.state, up_to=up_to)
            self.epochs = [EpochFigures(**figures) for figures in history["epochs"]]
            self.metrics, self.seconds = _metrics_of(history["metrics"]), history["seconds"]
            self.saved_step = self.step
        self.directory.remove_summary()
        self._write_metrics()

    def diverge(self, what: str, step: int) -> None:
        """End, because `what` is not finite after `step`."""
        kept = f"checkpoint {self.saved_step} stays" if self.saved_step else "nothing is saved yet"
        self.ending = DivergedError(
            f"{what} is not finite after step {step}: the run in {self.directory.path} ends, and {kept}; try a lower "
            "--learning-rate in another --workdir, or go on regardless with --keep-going"
        )

    def take(self, result: ChunkResult | EpochResult, seconds: float) -> None:
        """Save what `result` tells, `seconds` after this process has begun the epoch."""
        self.saved_step = int(result.state.step)
        if isinstance(result, ChunkResult):
            self.metrics, accuracy = result.metrics, None
            seconds += self.seconds
        else:
            self.epochs.append(replace(result.figures, seconds=seconds + self.seconds))
            self.state, self.metrics, self.seconds = result.state, None, 0.0
            self._write_metrics()
            accuracy, seconds = result.test_accuracy, 0.0
        self.checkpoints.save(result.state, history=self._history(seconds), accuracy=accuracy)
        if self.after_epoch is not None and isinstance(result, EpochResult):
            self.checkpoints.wait()
            self.after_epoch()

    def summary(self, devices: Sequence[Device]) -> dict[str, Any]:
        """How it ended."""
        return {
            "status": self.status,
            **self.config.as_json(),
            "epochs_done": len(self.epochs),
            "last_epoch": dataclasses.asdict(self.epochs[-1]) if self.epochs else None,
            "seconds": sum(epoch.seconds for epoch in self.epochs),
            "compile_seconds": sum(epoch.compile_seconds for epoch in self.epochs),
            "params_sha256": params_sha256(self.state.variables),
            "device": describe_devices(devices),
            "versions": software_versions(),
        }

    def _history(self, seconds: float) -> dict[str, Any]:
        """How far it is, but for the state, such as JSON holds it."""
        metrics = None
        if self.metrics is not None:
            metrics = {name: np.asarray(entry).tolist() for name, entry in dataclasses.asdict(self.metrics).items()}
        return {"epochs": [dataclasses.asdict(epoch) for epoch in self.epochs], "metrics": metrics, "seconds": seconds}

    def _write_metrics(self) -> None:
        self.directory.write_metrics(dataclasses.asdict(epoch) for epoch in self.epochs)


def _metrics_of(entries: dict[str, Any] | None) -> Metrics | None:
    """The metrics that a checkpoint's history holds."""
    if entries is None:
        return None
    forms = dataclasses.asdict(Metrics.zeros())
    return Metrics(**{name: jnp.asarray(entries[name], form.dtype) for name, form in forms.items()})


@jax.jit
def all_finite(state: TrainState) -> Bool[Array, ""]:
    """Whether all parameters and statistics are."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.variables)]).all()
