"""Training runs: recipes, with what the user changed, from the first step to the files they leave."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from signal import Signals

import jax
import jax.numpy as jnp
from rich.console import Console

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.errors import DivergedError, InputError, RunError, StoppedError
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.directory import RunDirectory
from jaxcnn.runs.environment import Device, describe_devices, find_devices
from jaxcnn.runs.hosts import is_first_host, seeing_lost_hosts
from jaxcnn.runs.interval import Interval
from jaxcnn.runs.run import Run, all_finite
from jaxcnn.runs.stopping import StopSignals
from jaxcnn.runs.terminal import Display
from jaxcnn.training import (
    ALONE,
    Checkpoints,
    EpochFigures,
    Layout,
    Metrics,
    ReplicasChunk,
    TrainState,
    choose_layout,
    run_epochs,
    stack_replicas,
)

TEN_MINUTES = Interval(seconds=600.0)


def train(
    config: RunConfig,
    dataset: Dataset | StreamedDataset,
    workdir: Path,
    console: Console,
    *,
    num_devices: int | None = None,
    checkpoint_every: Interval = TEN_MINUTES,
    keep_going: bool = False,
    after_epoch: Callable[[], object] | None = None,
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
        num_devices: how many devices share each step; with another number the figures are the same to rounding. None
            for one, or for all of several hosts.
        checkpoint_every: how often to save inside an epoch.
        keep_going: whether to go on with numbers that are not finite.
        after_epoch: called after each epoch, once its checkpoint is on disk.

    Returns:
        The figures of all its epochs.

    Raises:
        InputError: if the device or the directory cannot be used, or there are more steps than can be counted.
        RunError: if the run cannot be written to disk; as `DivergedError` if its numbers are not finite, and as
            `LostHostError` if another host is gone.
        StoppedError: if a signal ended it.
    """
    if jax.process_count() > 1 and num_devices is not None:
        raise InputError(f"{num_devices} devices of {jax.process_count()} hosts: all of them share each step")
    devices = find_devices(config.device, num_devices or (1 if jax.process_count() == 1 else None))
    alone = ALONE if len(devices) == 1 else Layout("split", devices)
    display = Display(console if is_first_host() else Console(quiet=True), [config])
    (epochs,) = _carry_out(
        {workdir: config}, dataset, workdir, display, devices, alone, checkpoint_every, keep_going, after_epoch
    )
    return epochs


def train_replicas(
    configs: Mapping[Path, RunConfig],
    dataset: Dataset | StreamedDataset,
    root: Path,
    console: Console,
    *,
    num_devices: int | None = None,
    checkpoint_every: Interval = TEN_MINUTES,
    keep_going: bool = False,
) -> list[list[EpochFigures]]:
    """Carry out several runs at once, in one program, each kept as by `train` in a directory of its own.

    A run is the same as `train` makes of its config: to the last bit where replicas go in turn, to rounding where they
    go together. One that is finished is taken as it stands, those that were cut off at the same step go on in one
    program, and one whose numbers are not finite ends while the others go on.

    Args:
        configs: the directory of each run, and what to run: the same but for seed and learning rate.
        dataset: what to train and test on.
        root: the directory that those of the runs are in.
        console: where to show them.
        num_devices: to how many devices they are dealt out at most; None for all.
        checkpoint_every: as for `train`.
        keep_going: as for `train`.

    Returns:
        The figures of all epochs of each run.

    Raises:
        InputError: as `train` does, or if the configs differ in anything else, or there are none.
        RunError: as `train` does, after all runs that could go on have done so.
        StoppedError: if a signal ended them.
    """
    forms = {
        json.dumps({key: value for key, value in config.as_json().items() if key not in ("seed", "learning_rate")})
        for config in configs.values()
    }
    if len(forms) != 1:
        raise InputError(f"{len(configs)} configs of {len(forms)} kinds: they may differ in seed and learning rate")
    if (root / "config.json").exists():
        raise InputError(f"{root} is that of a single run: several need one of their own; give another --workdir")
    if jax.process_count() > 1:
        raise InputError(f"{len(configs)} runs on {jax.process_count()} hosts: train one run, or several on one host")
    devices = find_devices(next(iter(configs.values())).device, num_devices)
    display = Display(console if is_first_host() else Console(quiet=True), list(configs.values()))
    return _carry_out(configs, dataset, root, display, devices, ALONE, checkpoint_every, keep_going)


def _carry_out(
    configs: Mapping[Path, RunConfig],
    dataset: Dataset | StreamedDataset,
    root: Path,
    display: Display,
    devices: tuple[Device, ...],
    alone: Layout,
    checkpoint_every: Interval,
    keep_going: bool,
    after_epoch: Callable[[], object] | None = None,
) -> list[list[EpochFigures]]:
    """Carry out runs on `devices`, one that goes by itself laid out as `alone` says."""
    first = next(iter(configs.values()))
    dataset = dataset.limit(first.limit)
    num_examples = len(dataset.train)
    first.check_steps(num_examples)
    with ExitStack() as directories:
        taken = [directories.enter_context(RunDirectory(path, config.as_json())) for path, config in configs.items()]
        display.begin(num_examples, describe_devices(devices), is_streamed=isinstance(dataset, StreamedDataset))
        mine = next(device for device in devices if device.process_index == jax.process_index())
        with jax.default_device(mine), display.live(), StopSignals() as signals:
            runs: list[Run] = []
            try:
                with ExitStack() as opened, seeing_lost_hosts(opened):
                    for config, directory in zip(configs.values(), taken, strict=True):
                        checkpoints = opened.enter_context(Checkpoints(directory.checkpoints))
                        state = config.initial_state(num_examples, dataset.num_classes, dataset.image_shape[2])
                        runs.append(Run(config, directory, checkpoints, alone.place(state), after_epoch))
                    for group in _in_step(runs, display):
                        start = _Start.of(group, dataset, devices, alone)
                        _go_on(group, start, dataset, display, signals, checkpoint_every, keep_going=keep_going)
            except StoppedError as error:
                for run in runs:
                    run.ending = error if run.status == "interrupted" else run.ending
            except (OSError, InputError) as error:  # of the disk, or of data that are streamed
                kind = InputError if isinstance(error, InputError) else RunError
                raise kind(
                    f"{error}: the run ends; when that is mended, the same command with the same --workdir goes on"
                ) from error
            for run in runs:
                run.directory.write_summary(run.summary(devices))
        display.end([(run.config, run.epochs, run.status) for run in runs], root)
    endings = [run.ending for run in runs if run.ending is not None]
    if endings:
        raise min(endings, key=lambda ending: isinstance(ending, DivergedError))
    return [run.epochs for run in runs]


def _in_step(runs: Sequence[Run], display: Display) -> Iterator[list[Run]]:
    """Take up all `runs` where they were left, in groups of those that can go on from the same step.

    Those that were saved at the same time and cut off at different ones go back to the newest step that all have.
    """
    for run in runs:
        run.resume()
    finished = [run for run in runs if run.status == "finished"]
    if finished:
        words = f"{len(finished)} were finished before" if len(runs) > 1 else "finished before"
        display.say(f"{words}, at checkpoint {finished[0].step}")
    waiting = [run for run in runs if run not in finished]
    while waiting:
        step = min(run.step for run in waiting)
        for run in waiting:
            if run.step > step and step in run.checkpoints.steps():
                run.resume(up_to=step)
        group = [run for run in waiting if run.step == step]
        if step:
            display.say(f"going on from checkpoint {step}")
        yield group
        waiting = [run for run in waiting if run not in group]


@dataclass(frozen=True)
class _Start:
    """Where runs go on from, in one program: their state and metrics, stacked if they are several, and their layout."""

    state: TrainState
    metrics: Metrics | None
    layout: Layout

    @classmethod
    def of(
        cls, runs: Sequence[Run], dataset: Dataset | StreamedDataset, devices: Sequence[Device], alone: Layout
    ) -> "_Start":
        """That of `runs`, dealt out to `devices`; that of one is laid out `alone`."""
        if len(runs) == 1:
            return cls(runs[0].state, runs[0].metrics, alone)
        state = stack_replicas([run.config.inject_learning_rate(run.state, len(dataset.train)) for run in runs])
        size = runs[0].config.recipe.image_size
        layout = choose_layout(state, (size, size, dataset.image_shape[2]), devices)
        metrics = [run.metrics for run in runs if run.metrics is not None]
        return cls(state, jax.tree.map(lambda *entries: jnp.stack(entries), *metrics) if metrics else None, layout)


def _go_on(
    runs: Sequence[Run],
    start: _Start,
    dataset: Dataset | StreamedDataset,
    display: Display,
    signals: StopSignals,
    checkpoint_every: Interval,
    *,
    keep_going: bool,
) -> None:
    """Train `runs` to the end, and save on the way."""
    recipe = runs[0].config.recipe
    going = dict(enumerate(runs))
    saved_step, saved_at = runs[0].step, time.monotonic()
    seconds = 0.0
    if start.layout != ALONE:
        display.say(f"{len(runs)} replicas {start.layout}" if start.layout.has_replicas else str(start.layout))
    for event in run_epochs(
        start.state,
        dataset,
        num_epochs=recipe.num_epochs - len(runs[0].epochs),
        batch_size=recipe.batch_size,
        image_size=recipe.image_size,
        augment=recipe.augmentation,
        label_smoothing=recipe.label_smoothing,
        chunk_steps=checkpoint_every.steps,
        metrics=start.metrics,
        layout=start.layout,
    ):
        step = int(event.state.step.ravel()[0])
        stop = max(start.layout.of_every_host(signals.received or 0))
        is_chunk = isinstance(event, ReplicasChunk)
        if is_chunk:
            seconds += event.seconds / len(runs)
            display.chunk(event)
            for number, bad_step in enumerate(event.diverged_at.ravel()):
                if bad_step and number in going and not keep_going:
                    going.pop(number).diverge("the loss", step - event.steps_done + int(bad_step))
            is_over, *_ = start.layout.of_every_host(
                checkpoint_every.is_over(step - saved_step, time.monotonic() - saved_at)
            )
            if going and (not (stop or is_over) or event.steps_done == event.steps):
                continue  # an epoch's last chunk is saved with its result
        for number, run in list(going.items()):
            result = event.replica(number) if start.layout.has_replicas else event.replica()
            if start.layout.has_replicas:
                state = run.config.extract_learning_rate(result.state, len(dataset.train))
                result = replace(result, state=state)
            if keep_going or all_finite(result.state):
                run.take(result, seconds if is_chunk else result.seconds)
            else:
                going.pop(number).diverge("a parameter", step)
            if stop:
                run.state = result.state
        saved_step, saved_at = step, time.monotonic()
        if not is_chunk:
            seconds = 0.0
            display.epoch([(run.config, run.epochs[-1]) for run in going.values()])
        if not going:
            return
        if stop and any(run.status != "finished" for run in going.values()):
            raise StoppedError(Signals(stop))
