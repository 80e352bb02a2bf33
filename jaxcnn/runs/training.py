"""A training run: a recipe, with what the user changed, from the first step to the files it leaves."""

import dataclasses
import logging
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool
from rich.console import Console

from jaxcnn.data import Dataset
from jaxcnn.errors import DivergedError, RunError, StoppedError
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.directory import RunDirectory, params_sha256
from jaxcnn.runs.environment import Device, describe_device, find_device, software_versions
from jaxcnn.runs.interval import Interval
from jaxcnn.runs.stopping import StopSignals
from jaxcnn.runs.terminal import Display
from jaxcnn.training import (
    Checkpoints,
    ChunkResult,
    EpochFigures,
    Metrics,
    TrainState,
    fit_in_chunks,
)

TEN_MINUTES = Interval(seconds=600.0)

_LOGGER = logging.getLogger(__name__)


def train(
    config: RunConfig,
    dataset: Dataset,
    workdir: Path,
    console: Console,
    *,
    checkpoint_every: Interval = TEN_MINUTES,
    keep_going: bool = False,
) -> list[EpochFigures]:
    """Carry out a run and keep it in `workdir`, or go on with the one that was begun there.

    The state is saved after each epoch, and every so often inside one. From its newest checkpoint a run goes on to the
    very numbers that it would have had without a break: parameters, statistics and figures, bit for bit on a CPU; times
    differ. SIGINT and SIGTERM end it after the chunk in progress, saved; a second one ends it at once.

    Args:
        config: what to run.
        dataset: what to train and test on.
        workdir: a new or empty directory, or that of a run of the same config.
        console: where to show it.
        checkpoint_every: how often to save inside an epoch.
        keep_going: whether to go on with numbers that are not finite.

    Returns:
        The figures of all its epochs.

    Raises:
        InputError: if the device or the directory cannot be used, or there are more steps than can be counted.
        RunError: if the run cannot be written to disk; as `DivergedError` if its numbers are not finite.
        StoppedError: if a signal ended it.
    """
    device = find_device(config.device)
    dataset = dataset if config.limit is None else dataset.limit(config.limit)
    config.check_steps(len(dataset.train_images))
    with RunDirectory(workdir, config.as_json()) as directory:
        return _train(config, dataset, directory, device, Display(console, config.recipe), checkpoint_every, keep_going)


def _train(
    config: RunConfig,
    dataset: Dataset,
    directory: RunDirectory,
    device: Device,
    display: Display,
    checkpoint_every: Interval,
    keep_going: bool,
) -> list[EpochFigures]:
    recipe = config.recipe
    display.say(
        f"{recipe.title} on {len(dataset.train_images):,} images of {recipe.image_size}x{recipe.image_size}, "
        f"{recipe.num_epochs} epochs of batches of {recipe.batch_size}, {recipe.rule}, "
        f"seed {config.seed}, {config.dtype}, {describe_device(device)}"
    )
    status, ending = "finished", None
    with jax.default_device(device), display.live(), StopSignals() as signals:
        state = config.initial_state(len(dataset.train_images), dataset.num_classes, dataset.image_shape[2])
        run = _Run(config, dataset, directory, display, state)
        try:
            with Checkpoints(directory.checkpoints) as checkpoints:
                run.resume(checkpoints)
                run.carry_out(checkpoints, signals, checkpoint_every, keep_going)
        except DivergedError as error:
            status, ending = "diverged", error
        except StoppedError as error:
            status, ending = "interrupted", error
        except OSError as error:
            raise RunError(
                f"{error}: the run ends; when that is mended, the same command with the same --workdir goes on"
            ) from error
        directory.write_summary(_summary(config, status, run.epochs, run.state, device))
        if run.epochs:
            display.table(run.epochs)
        display.say(f"{status} after {len(run.epochs)} of {recipe.num_epochs} epochs; the run is in {directory.path}")
    if ending is not None:
        raise ending
    return run.epochs


@dataclass
class _Run:
    """A run: what it needs, and how far it is, which is what a checkpoint holds.

    Attributes:
        state: the state after the steps that were taken.
        epochs: figures of the epochs that are done.
        metrics: what the steps of an epoch in progress gave; None between epochs.
        seconds: time that the epoch in progress has taken.
    """

    config: RunConfig
    dataset: Dataset
    directory: RunDirectory
    display: Display
    state: TrainState
    epochs: list[EpochFigures] = field(default_factory=list)
    metrics: Metrics | None = None
    seconds: float = 0.0

    def resume(self, checkpoints: Checkpoints) -> None:
        """Go back to the newest checkpoint, if there is one, and bring the files in line with it."""
        for step in checkpoints.clear_cut_short():
            _LOGGER.warning("checkpoint %d was cut short and is skipped", step)
        if checkpoints.steps():
            self.state, history = checkpoints.resume(self.state)
            self.epochs = [EpochFigures(**figures) for figures in history["epochs"]]
            self.seconds = history["seconds"]
            if history["metrics"] is not None:
                forms = dataclasses.asdict(Metrics.zeros())
                self.metrics = Metrics(
                    **{name: jnp.asarray(history["metrics"][name], form.dtype) for name, form in forms.items()}
                )
            self.display.say(f"going on from checkpoint {int(self.state.step)}")
        self.directory.remove_summary()
        self._write_metrics()

    def carry_out(
        self, checkpoints: Checkpoints, signals: StopSignals, checkpoint_every: Interval, keep_going: bool
    ) -> None:
        """Train to the end, and save on the way."""
        recipe = self.config.recipe
        seconds_before = self.seconds
        saved_step, saved_at = int(self.state.step), time.monotonic()
        for event in fit_in_chunks(
            self.state,
            self.dataset,
            num_epochs=recipe.num_epochs - len(self.epochs),
            batch_size=recipe.batch_size,
            image_size=recipe.image_size,
            augment=recipe.augmentation,
            label_smoothing=recipe.label_smoothing,
            chunk_steps=checkpoint_every.steps,
            metrics=self.metrics,
        ):
            step = int(event.state.step)
            if isinstance(event, ChunkResult):
                self.seconds += event.seconds
                self.display.chunk(event, recipe.num_epochs)
                if event.diverged_at is not None and not keep_going:
                    raise _diverged("the loss", step - event.steps_done + event.diverged_at, saved_step)
                is_due = signals.received is not None or checkpoint_every.is_over(
                    step - saved_step, time.monotonic() - saved_at
                )
                if not is_due or event.steps_done == event.steps:
                    continue  # an epoch's last chunk is saved with its result
            if not (keep_going or _all_finite(event.state)):
                raise _diverged("a parameter", step, saved_step)
            if isinstance(event, ChunkResult):
                self.metrics, accuracy = event.metrics, None
            else:
                self.epochs.append(replace(event.figures, seconds=event.seconds + seconds_before))
                self.state, self.metrics, self.seconds, seconds_before = event.state, None, 0.0, 0.0
                self._write_metrics()
                self.display.epoch(self.epochs[-1])
                accuracy = event.test_accuracy
            checkpoints.save(event.state, history=self._history(), accuracy=accuracy)
            saved_step, saved_at = step, time.monotonic()
            if signals.received is not None and len(self.epochs) < recipe.num_epochs:
                self.state = event.state
                raise StoppedError(signals.received)

    def _history(self) -> dict[str, Any]:
        """How far it is, but for the state, such as JSON holds it."""
        metrics = None
        if self.metrics is not None:
            metrics = {name: np.asarray(entry).tolist() for name, entry in dataclasses.asdict(self.metrics).items()}
        return {"epochs": list(map(dataclasses.asdict, self.epochs)), "metrics": metrics, "seconds": self.seconds}

    def _write_metrics(self) -> None:
        self.directory.write_metrics(map(dataclasses.asdict, self.epochs))


def _diverged(what: str, step: int, saved_step: int) -> DivergedError:
    kept = f"checkpoint {saved_step} stays" if saved_step else "nothing is saved yet"
    return DivergedError(
        f"{what} is not finite after step {step}: the run ends, and {kept}; try a lower --learning-rate in another "
        "--workdir, or go on regardless with --keep-going"
    )


@jax.jit
def _all_finite(state: TrainState) -> Bool[Array, ""]:
    """Whether all parameters and statistics are."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.variables)]).all()


def _summary(
    config: RunConfig, status: str, results: list[EpochFigures], state: TrainState, device: Device
) -> dict[str, Any]:
    return {
        "status": status,
        **config.as_json(),
        "epochs_done": len(results),
        "last_epoch": dataclasses.asdict(results[-1]) if results else None,
        "seconds": sum(result.seconds for result in results),
        "compile_seconds": sum(result.compile_seconds for result in results),
        "params_sha256": params_sha256(state.variables),
        "device": describe_device(device),
        "versions": software_versions(),
    }
