"""Training of one or more runs: resumed, grouped by step, and saved at intervals."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.errors import DivergedError, InputError, RunError, StoppedError
from jaxcnn.platform import (
    Device,
    check_deterministic_ops,
    describe_devices,
    is_primary_process,
    raise_lost_process,
    release_memory,
)
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.data_spec import data_sha256
from jaxcnn.runs.directory import RunDirectory
from jaxcnn.runs.interval import Interval
from jaxcnn.runs.run import Run, all_finite
from jaxcnn.runs.states import check_initial_state, extract_learning_rate, initial_state, inject_learning_rate
from jaxcnn.runs.stopping import StopSignals
from jaxcnn.runs.writer import Setup, Writer
from jaxcnn.training import (
    Checkpointer,
    ChunkResult,
    EpochResult,
    Metrics,
    Placement,
    TrainState,
    choose_placement,
    run_epochs,
    stack_members,
)

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Session:
    """Training of one or more runs of one recipe.

    Attributes:
        dataset: the data, with the limit and the validation split of the settings.
        devices: the devices for all runs.
        single: the placement of a run that is trained by itself.
        writers: what watches the runs.
        checkpoint_every: the interval of checkpoints inside an epoch.
        keep_going: whether to continue with numbers that are not finite.
    """

    dataset: Dataset | StreamedDataset
    devices: tuple[Device, ...]
    single: Placement
    writers: Sequence[Writer]
    checkpoint_every: Interval
    keep_going: bool

    def train(self, configs: Mapping[Path, RunConfig], whole: Dataset | StreamedDataset) -> list[list[EpochResult]]:
        """Train the runs, and return the results of their epochs. `whole` is the data before images were held out."""
        num_examples = len(self.dataset.train)
        configs = {path: _with_data(config, whole) for path, config in configs.items()}
        recipe = next(iter(configs.values())).recipe.resolve(
            self.dataset.train, self.dataset.num_classes, self.dataset.image_shape[2]
        )
        resolved = {"normalization": recipe.normalization, "class_weights": recipe.class_weights}
        configs = {path: replace(config, recipe=replace(config.recipe, **resolved)) for path, config in configs.items()}
        first = next(iter(configs.values()))
        if first.deterministic:
            check_deterministic_ops(self.devices[0].platform)
        first.check_steps(num_examples)
        first.check_augmentation(self.dataset.image_shape)
        shape = num_examples, self.dataset.num_classes, self.dataset.image_shape[2]
        check_initial_state(first, *shape)
        first.warn_if_not_portable()
        contents = {"data_sha256": data_sha256(whole)}
        runs: list[Run] = []
        with ExitStack() as locks:
            directories = []
            for path, config in configs.items():
                directories.append(RunDirectory(path, config.as_json() | contents))
                locks.push(directories[-1])
            for directory in directories:  # after all are checked, so that a refusal leaves nothing
                directory.write_config()
            local = next(device for device in self.devices if device.process_index == jax.process_index())
            with jax.default_device(local), StopSignals() as signals:
                try:
                    with ExitStack() as opened, raise_lost_process(opened):
                        for config, directory in zip(configs.values(), directories, strict=True):
                            checkpoints = Checkpointer(directory.checkpoints, cleanup_tmp=True)
                            opened.enter_context(checkpoints)
                            state = initial_state(config, *shape)
                            runs.append(Run(config, directory, checkpoints, self.single.shard_state(state)))
                        groups = _resume(runs)
                        self._log_initialization(runs)
                        for group in groups:
                            self._train_group(group, signals)
                    self._write_summaries(runs)
                except StoppedError as error:
                    for run in runs:
                        run.ending = error if run.status == "interrupted" else run.ending
                    self._write_summaries(runs)
                except (OSError, InputError) as error:  # from the disk, or from streamed data
                    kind = InputError if isinstance(error, InputError) else RunError
                    raise kind(
                        f"{error}: the run ends; solve this, and the same command with the same directory resumes it"
                    ) from error
                finally:
                    with ExitStack() as endings:  # all writers end, even if one fails
                        for writer in self._active_writers:
                            endings.callback(_notify, writer, "on_end", runs)
        endings = [run.ending for run in runs if run.ending is not None]
        if endings:
            raise min(endings, key=lambda ending: isinstance(ending, DivergedError))
        return [run.epochs for run in runs]

    def _log_initialization(self, runs: Sequence[Run]) -> None:
        """Log which weights new runs start from.

        Raises:
            InputError: if these weights are not available.
        """
        new = [run for run in runs if run.step == 0 and run.config.init_from is not None]
        for run in new[:1]:
            assert run.config.init_from is not None
            _LOGGER.info("%s", run.config.init_from.describe(run.state.variables, self.dataset.num_classes))

    def _train_group(self, runs: Sequence[Run], signals: StopSignals) -> None:
        """Train runs that are at the same step to their end, and save them at intervals."""
        config = runs[0].config
        state, step_metrics, placement = self._stack(runs)
        options = config.recipe.fit_options(
            num_epochs=config.recipe.num_epochs - len(runs[0].epochs),
            chunk_steps=self.checkpoint_every.steps,
            placement=placement,
        )
        for run in runs:
            run.directory.extend()
        devices, num_examples = describe_devices(self.devices), len(self.dataset.train)
        setup = Setup(num_examples, devices, placement, isinstance(self.dataset, StreamedDataset))
        self._notify("on_start", runs, setup)
        active = dict(enumerate(runs))
        saved_step, saved_at = runs[0].step, time.monotonic()
        seconds = 0.0
        for result in run_epochs(state, self.dataset, options, step_metrics=step_metrics):
            release_memory()
            step = int(result.state.step.ravel()[0])
            stop = max(placement.allgather(signals.received or 0))
            if isinstance(result, ChunkResult):
                seconds += float(np.ravel(result.seconds)[0])
                if self._active_writers:
                    self._notify("on_chunk", self._chunks(active, result, step))
                for number, bad_step in enumerate(np.ravel(result.diverged_at).tolist()):
                    if bad_step and number in active and not self.keep_going:
                        active.pop(number).diverge("the loss", step - result.steps_done + bad_step)
                due, *_ = placement.allgather(
                    self.checkpoint_every.is_over(step - saved_step, time.monotonic() - saved_at)
                )
                if active and (not (stop or due) or result.steps_done == result.steps):
                    continue  # the last chunk of an epoch is saved with its result
            for number, run in list(active.items()):
                of_run = result.member(number)
                state = of_run.state
                if placement.has_members:
                    state = extract_learning_rate(run.config, state, num_examples)
                    of_run = of_run.replace(state=state)
                if self.keep_going or all_finite(state):
                    run.record(of_run, seconds if isinstance(result, ChunkResult) else float(of_run.seconds))
                else:
                    active.pop(number).diverge("a parameter", step)
                if stop:
                    run.state = state
            saved_step, saved_at = step, time.monotonic()
            if isinstance(result, EpochResult):
                seconds = 0.0
                self._notify("on_epoch", {run: run.epochs[-1] for run in active.values()})
                active = {number: run for number, run in active.items() if run.status != "finished"}
            if not active:
                return
            if stop:
                raise StoppedError(Signals(stop))

    def _stack(self, runs: Sequence[Run]) -> tuple[TrainState, Metrics | None, Placement]:
        """State, step metrics and placement of `runs`, stacked if they are several."""
        if len(runs) == 1:
            return runs[0].state, runs[0].step_metrics, self.single
        num_examples, channels = len(self.dataset.train), self.dataset.image_shape[2]
        state = stack_members([inject_learning_rate(run.config, run.state, num_examples) for run in runs])
        size = runs[0].config.recipe.image_size
        placement = choose_placement(state, (size, size, channels), self.devices)
        metrics = [run.step_metrics for run in runs if run.step_metrics is not None]
        stacked = jax.tree.map(lambda *entries: jnp.stack(entries), *metrics) if metrics else None
        return state, stacked, placement

    def _chunks(self, active: Mapping[int, Run], result: ChunkResult, step: int) -> dict[Run, ChunkResult]:
        """The result of each run without its state, with the learning rate of its last step."""
        light = result.replace(state=None, step_metrics=None)
        results = {}
        for number, run in active.items():
            of_run = light.member(number)
            rate = run.config.recipe.learning_rate_at(step - 1, len(self.dataset.train))
            results[run] = of_run.replace(metrics={**of_run.metrics, "learning_rate": rate})
        return results

    @property
    def _active_writers(self) -> Sequence[Writer]:
        """The writers, in the primary process."""
        return self.writers if is_primary_process() else ()

    def _notify(self, event: str, *arguments: object) -> None:
        """Call the method `event` of all writers."""
        for writer in self._active_writers:
            _notify(writer, event, *arguments)

    def _write_summaries(self, runs: Sequence[Run]) -> None:
        for run in runs:
            if not (run.status == "finished" and run.directory.has_summary):  # else an earlier process wrote it
                run.directory.write_summary(run.summary(self.devices))


def _notify(writer: Writer, event: str, *arguments: object) -> None:
    """Call the method `event` of `writer`.

    Raises:
        RunError: if it raises OSError, so that this error is not reported as one of the run's own files.
    """
    try:
        getattr(writer, event)(*arguments)
    except OSError as error:
        raise RunError(
            f"{type(writer).__name__} failed ({error}): the run ends; solve this, and the same command with the "
            "same directory resumes it from the last checkpoint"
        ) from error


def _with_data(config: RunConfig, dataset: Dataset | StreamedDataset) -> RunConfig:
    """`config` with a description of `dataset`, if it has none."""
    config = config.with_data(dataset, None) if config.data.source is None else config
    config.check_data(dataset)
    return config


def _resume(runs: Sequence[Run]) -> list[list[Run]]:
    """Resume all `runs`, and group those that are not finished by their step.

    Runs that were saved together but interrupted apart go back to the newest step that all of them have, by one
    checkpoint at most.
    """
    for run in runs:
        run.resume()
    waiting = [run for run in runs if run.status != "finished"]
    groups = []
    while waiting:
        step = min(run.step for run in waiting)
        for run in waiting:
            if run.step > step and step in run.checkpoints.steps()[-2:]:
                run.resume(max_step=step)
        groups.append([run for run in waiting if run.step == step])
        waiting = [run for run in waiting if run.step != step]
    return groups
