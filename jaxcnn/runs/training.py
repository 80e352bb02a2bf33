"""Training runs: from the settings to the files in a directory."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

import jax
import jax.numpy as jnp
import numpy as np

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.errors import DivergedError, InputError, RunError, StoppedError
from jaxcnn.platform import Device, describe_devices, find_devices, is_primary_process, raise_lost_process
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.directory import RunDirectory
from jaxcnn.runs.interval import Interval
from jaxcnn.runs.run import Run, all_finite
from jaxcnn.runs.stopping import StopSignals
from jaxcnn.runs.writer import Setup, Writer
from jaxcnn.training import (
    SINGLE,
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

TEN_MINUTES = Interval(seconds=600.0)


def train(
    config: RunConfig,
    dataset: Dataset | StreamedDataset,
    workdir: Path | str,
    *,
    writers: Sequence[Writer] = (),
    num_devices: int | None = None,
    checkpoint_every: Interval = TEN_MINUTES,
    keep_going: bool = False,
) -> list[EpochResult]:
    """Train a run and keep it in `workdir`, or resume the run that was begun there.

    The state is saved after each epoch, and at intervals inside an epoch. A resumed run has the same numbers as an
    uninterrupted one: parameters, statistics and metrics, bit for bit on a CPU; times differ. SIGINT and SIGTERM end
    the run after the chunk in progress, and it is saved; a second signal ends it at once.

    Args:
        config: the settings of the run.
        dataset: the data to train and test on.
        workdir: a new or empty directory, or that of a run with the same settings.
        writers: what watches the run, such as `writers.TerminalWriter`.
        num_devices: number of devices that each batch is sharded over; the results of other numbers are equal up to
            rounding. None for one, or for all of several processes.
        checkpoint_every: the interval of checkpoints inside an epoch.
        keep_going: whether to continue with numbers that are not finite.

    Returns:
        The results of all epochs, without states.

    Raises:
        InputError: if the device or the directory cannot be used, or there are too many steps.
        RunError: if the run cannot be written to disk; `DivergedError` if its numbers are not finite, and
            `LostProcessError` if another process of the job is gone.
        StoppedError: if a signal ended it.
    """
    _check_arguments([config], dataset, writers, checkpoint_every)
    if jax.process_count() > 1 and num_devices is not None:
        raise InputError(
            f"--num-devices {num_devices} with {jax.process_count()} processes: leave it out; all devices are used"
        )
    devices = find_devices(config.device, 1 if num_devices is None and jax.process_count() == 1 else num_devices)
    single = SINGLE if len(devices) == 1 else Placement("data_parallel", devices)
    session = _Session(dataset.limit(config.limit), devices, single, writers, checkpoint_every, keep_going)
    (epochs,) = session.train({Path(workdir): config})
    return epochs


def train_ensemble(
    configs: Mapping[Path, RunConfig] | Mapping[str, RunConfig],
    dataset: Dataset | StreamedDataset,
    *,
    writers: Sequence[Writer] = (),
    num_devices: int | None = None,
    checkpoint_every: Interval = TEN_MINUTES,
    keep_going: bool = False,
) -> list[list[EpochResult]]:
    """Train several runs in one program, each kept in its own directory as by `train`.

    Sequential members match single runs bit for bit; vmapped members match up to rounding. Finished runs stay as they
    are. Runs that were interrupted at the same step are resumed in one program. A run whose numbers are not finite
    ends, and the others continue.

    Args:
        configs: the directory and the settings of each run; they may differ in seed and learning rate.
        dataset: the data to train and test on.
        writers: as for `train`.
        num_devices: maximum number of devices for the members; None for all.
        checkpoint_every: as for `train`.
        keep_going: as for `train`.

    Returns:
        The results of all epochs of each run, without states.

    Raises:
        InputError: as for `train`, or if the settings differ in more, or there are none.
        RunError: as for `train`, after all runs that could continue are finished.
        StoppedError: if a signal ended them.
    """
    _check_arguments(list(configs.values()), dataset, writers, checkpoint_every)
    if not configs:
        raise InputError("no runs: expected one or more")
    configs = {Path(path): config for path, config in configs.items()}
    kinds = {
        json.dumps({key: value for key, value in config.as_json().items() if key not in ("seed", "learning_rate")})
        for config in configs.values()
    }
    if len(kinds) != 1:
        raise InputError(f"{len(configs)} runs of {len(kinds)} kinds: they may differ in seed and learning rate alone")
    root = Path(os.path.commonpath(configs))
    if len(configs) > 1 and (root / "config.json").exists():
        raise InputError(f"{root} is the directory of a single run: give several runs another --workdir")
    if jax.process_count() > 1:
        raise InputError(
            f"{len(configs)} runs with {jax.process_count()} processes: train one run, or several in one process"
        )
    config = next(iter(configs.values()))
    devices = find_devices(config.device, num_devices)
    session = _Session(dataset.limit(config.limit), devices, SINGLE, writers, checkpoint_every, keep_going)
    return session.train(configs)


@dataclass(frozen=True)
class _Session:
    """The training of some runs of one recipe.

    Attributes:
        dataset: the data, limited as the settings say.
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

    def train(self, configs: Mapping[Path, RunConfig]) -> list[list[EpochResult]]:
        """Train the runs, and return the results of their epochs."""
        num_examples = len(self.dataset.train)
        configs = {path: _with_data(config, self.dataset) for path, config in configs.items()}
        first = next(iter(configs.values()))
        first.check_steps(num_examples)
        first.warn_if_not_portable()
        runs: list[Run] = []
        with ExitStack() as locks:
            directories = [
                locks.enter_context(RunDirectory(path, config.as_json())) for path, config in configs.items()
            ]
            local = next(device for device in self.devices if device.process_index == jax.process_index())
            with jax.default_device(local), StopSignals() as signals:
                try:
                    with ExitStack() as opened, raise_lost_process(opened):
                        for config, directory in zip(configs.values(), directories, strict=True):
                            checkpoints = Checkpointer(directory.checkpoints, cleanup_tmp=True)
                            opened.enter_context(checkpoints)
                            state = config.initial_state(
                                num_examples, self.dataset.num_classes, self.dataset.image_shape[2]
                            )
                            runs.append(Run(config, directory, checkpoints, self.single.shard_state(state)))
                        for group in _resume(runs):
                            self._train_group(group, signals)
                    self._write_summaries(runs)
                except StoppedError as error:
                    for run in runs:
                        run.ending = error if run.status == "interrupted" else run.ending
                    self._write_summaries(runs)
                except (OSError, InputError) as error:  # from the disk, or from streamed data
                    kind = InputError if isinstance(error, InputError) else RunError
                    raise kind(f"{error}: the run ends; solve this, and the same command resumes it") from error
                finally:
                    with ExitStack() as endings:  # all writers end, even if one fails
                        for writer in self._active_writers:
                            endings.callback(writer.on_end, runs)
        endings = [run.ending for run in runs if run.ending is not None]
        if endings:
            raise min(endings, key=lambda ending: isinstance(ending, DivergedError))
        return [run.epochs for run in runs]

    def _train_group(self, runs: Sequence[Run], signals: StopSignals) -> None:
        """Train runs that are at the same step to their end, and save them on the way."""
        config = runs[0].config
        state, step_metrics, placement = self._stack(runs)
        options = config.recipe.fit_options(
            num_epochs=config.recipe.num_epochs - len(runs[0].epochs),
            chunk_steps=self.checkpoint_every.steps,
            placement=placement,
        )
        devices, num_examples = describe_devices(self.devices), len(self.dataset.train)
        self._tell("on_start", runs, Setup(num_examples, devices, placement, isinstance(self.dataset, StreamedDataset)))
        active = dict(enumerate(runs))
        saved_step, saved_at = runs[0].step, time.monotonic()
        seconds = 0.0
        for result in run_epochs(state, self.dataset, options, step_metrics=step_metrics):
            step = int(result.state.step.ravel()[0])
            stop = max(placement.allgather(signals.received or 0))
            if isinstance(result, ChunkResult):
                seconds += float(np.ravel(result.seconds)[0])
                if self._active_writers:
                    self._tell("on_chunk", self._chunks(active, result, step))
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
                    state = run.config.extract_learning_rate(state, num_examples)
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
                self._tell("on_epoch", {run: run.epochs[-1] for run in active.values()})
            if not active:
                return
            if stop and any(run.status != "finished" for run in active.values()):
                raise StoppedError(Signals(stop))

    def _stack(self, runs: Sequence[Run]) -> tuple[TrainState, Metrics | None, Placement]:
        """State, step metrics and placement of `runs`, stacked if they are several."""
        if len(runs) == 1:
            return runs[0].state, runs[0].step_metrics, self.single
        num_examples, channels = len(self.dataset.train), self.dataset.image_shape[2]
        state = stack_members([run.config.inject_learning_rate(run.state, num_examples) for run in runs])
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

    def _tell(self, event: str, *arguments: object) -> None:
        """Call the method `event` of all writers.

        Raises:
            RunError: if a writer raises OSError, which is not an error of the run's own files.
        """
        for writer in self._active_writers:
            try:
                getattr(writer, event)(*arguments)
            except OSError as error:
                raise RunError(
                    f"{type(writer).__name__} failed ({error}): the run ends; solve this, and the same command resumes "
                    "it from the last checkpoint"
                ) from error

    def _write_summaries(self, runs: Sequence[Run]) -> None:
        for run in runs:
            run.directory.write_summary(run.summary(self.devices))


def _check_arguments(
    configs: Sequence[RunConfig], dataset: object, writers: Sequence[Writer], checkpoint_every: Interval
) -> None:
    """Check the kinds of the arguments.

    Raises:
        TypeError: if one is of another kind.
    """
    for config in configs:
        if not isinstance(config, RunConfig):
            raise TypeError(f"config {config!r}: expected a runs.RunConfig")
    if not isinstance(dataset, Dataset | StreamedDataset):
        raise TypeError(f"dataset of type {type(dataset).__name__}: expected a data.Dataset or data.StreamedDataset")
    if not isinstance(writers, Sequence) or not all(isinstance(writer, Writer) for writer in writers):
        raise TypeError(f"writers {writers!r}: expected a list of instances of runs.Writer")
    if not isinstance(checkpoint_every, Interval):
        raise TypeError(f"checkpoint_every {checkpoint_every!r}: expected a runs.Interval, such as Interval(steps=500)")


def _with_data(config: RunConfig, dataset: Dataset | StreamedDataset) -> RunConfig:
    """`config` with a description of `dataset`, if it has none."""
    config = config.with_data(dataset, None) if config.data.source is None else config
    config.check_data(dataset)
    return config


def _resume(runs: Sequence[Run]) -> list[list[Run]]:
    """Resume all `runs`, and group those that are not finished by their step.

    Runs that were saved together but interrupted apart go back to the newest step that all of them have.
    """
    for run in runs:
        run.resume()
    waiting = [run for run in runs if run.status != "finished"]
    groups = []
    while waiting:
        step = min(run.step for run in waiting)
        for run in waiting:
            if run.step > step and step in run.checkpoints.steps():
                run.resume(max_step=step)
        groups.append([run for run in waiting if run.step == step])
        waiting = [run for run in waiting if run.step != step]
    return groups
