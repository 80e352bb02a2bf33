"""A training run in progress: how far it is, and the files that it leaves."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool

from jaxcnn.errors import DivergedError, RunError, StoppedError
from jaxcnn.platform import Device, describe_devices, software_versions
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.directory import RunDirectory, params_sha256
from jaxcnn.runs.early_stopping import why_stop
from jaxcnn.training import Checkpointer, ChunkResult, EpochResult, Metrics, TrainState, best_epoch

_LOGGER = logging.getLogger(__name__)


@dataclass(eq=False)
class Run:
    """A run: its settings, and its progress, which a checkpoint holds.

    Attributes:
        config: the settings.
        directory: where it writes.
        checkpoints: those in `directory`.
        state: the state after the steps that were taken.
        epochs: the results of finished epochs, without states.
        step_metrics: the metrics of the steps of the epoch in progress; None between epochs.
        seconds: time that earlier processes spent on the epoch in progress.
        saved_step: step of the newest checkpoint; 0 for none.
        ending: why it ended early; None if it did not.
    """

    config: RunConfig
    directory: RunDirectory
    checkpoints: Checkpointer
    state: TrainState = field(repr=False)
    epochs: list[EpochResult] = field(default_factory=list)
    step_metrics: Metrics | None = field(default=None, repr=False)
    seconds: float = 0.0
    saved_step: int = 0
    ending: RunError | StoppedError | None = None

    @property
    def path(self) -> Path:
        """Its directory."""
        return self.directory.path

    @property
    def step(self) -> int:
        """Number of steps taken."""
        return int(self.state.step)

    @property
    def status(self) -> str:
        """'finished', 'diverged' or 'interrupted'."""
        if len(self.epochs) == self.config.recipe.num_epochs or self.stopped_early is not None:
            return "finished"
        return "diverged" if isinstance(self.ending, DivergedError) else "interrupted"

    @property
    def stopped_early(self) -> str | None:
        """Why it is finished before its last epoch; None if it is not."""
        if len(self.epochs) == self.config.recipe.num_epochs:
            return None
        return why_stop(self.epochs, patience=self.config.patience, until=self.config.until)

    def resume(self, max_step: int | None = None) -> None:
        """Go to the newest checkpoint, of step `max_step` at most, and make the files agree with it."""
        for step in self.checkpoints.interrupted:
            _LOGGER.warning("checkpoint %d is incomplete and is skipped", step)
        self.checkpoints.interrupted = []
        if self.checkpoints.steps():
            self.state, metadata = self.checkpoints.resume(self.state, max_step=max_step)
            self.epochs = [EpochResult.from_json(record) for record in metadata["epochs"]]
            self.step_metrics, self.seconds = _metrics_from_json(metadata["metrics"]), metadata["seconds"]
            self.saved_step = self.step
        if self.status != "finished":
            self.directory.remove_summary()
        self._write_metrics()

    def diverge(self, what: str, step: int) -> None:
        """End, because `what` is not finite after `step`."""
        kept = f"checkpoint {self.saved_step} is kept" if self.saved_step else "nothing was saved"
        self.ending = DivergedError(
            f"{what} is not finite after step {step}: the run in {self.path} ends and {kept}; try a lower "
            "--learning-rate in another --workdir, or --keep-going"
        )

    def record(self, result: ChunkResult | EpochResult, seconds: float) -> None:
        """Save `result`, which came `seconds` after this process began the epoch."""
        seconds += self.seconds
        self.saved_step = int(result.state.step)
        if isinstance(result, ChunkResult):
            self.step_metrics = result.step_metrics
            self.checkpoints.save(result.state, metadata=self._metadata(seconds))
        else:
            self.epochs.append(result.replace(seconds=seconds, state=None))
            self.state, self.step_metrics, self.seconds = result.state, None, 0.0
            self._write_metrics()
            self.checkpoints.save(result.state, metadata=self._metadata(0.0), accuracy=self.epochs[-1].val_accuracy)

    def summary(self, devices: Sequence[Device]) -> dict[str, Any]:
        """How it ended."""
        epochs, best = [epoch.as_json() for epoch in self.epochs], best_epoch(self.epochs)
        return {
            "status": self.status,
            **self.config.as_json(),
            "epochs_done": len(epochs),
            "last_epoch": epochs[-1] if epochs else None,
            **({} if best is None else {"best_epoch": best.as_json()}),
            **({} if self.stopped_early is None else {"stopped_early": self.stopped_early}),
            "seconds": sum(epoch["seconds"] for epoch in epochs),
            "compile_seconds": sum(epoch["compile_seconds"] for epoch in epochs),
            "params_sha256": params_sha256(self.state.variables),
            "device": describe_devices(devices),
            "versions": software_versions(),
        }

    def _metadata(self, seconds: float) -> dict[str, Any]:
        """Its progress without the state, of types that JSON has."""
        metrics = None
        if self.step_metrics is not None:
            parts = {"sums": self.step_metrics.sums, "counts": self.step_metrics.counts}
            metrics = jax.tree.map(lambda entries: np.asarray(entries).tolist(), parts)
        return {"epochs": [epoch.as_json() for epoch in self.epochs], "metrics": metrics, "seconds": seconds}

    def _write_metrics(self) -> None:
        self.directory.write_metrics(epoch.as_json() for epoch in self.epochs)


def _metrics_from_json(entries: dict[str, Any] | None) -> Metrics | None:
    """The step metrics in the metadata of a checkpoint; counts are integers there, and measures have a point."""
    if entries is None:
        return None

    def array(values: list[float | int]) -> Array:
        return jnp.asarray(values, jnp.int32 if all(isinstance(value, int) for value in values) else jnp.float32)

    return Metrics(*({name: array(values) for name, values in entries[part].items()} for part in ("sums", "counts")))


@jax.jit
def all_finite(state: TrainState) -> Bool[Array, ""]:
    """Whether all parameters and statistics are finite."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.variables)]).all()
