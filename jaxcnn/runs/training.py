"""Training runs: from the settings to the files in a directory."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.errors import InputError
from jaxcnn.platform import find_devices
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.interval import Interval
from jaxcnn.runs.session import Session
from jaxcnn.runs.writer import Writer
from jaxcnn.training import SINGLE, EpochResult, Placement

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
    uninterrupted one: parameters, statistics and metrics, bit for bit on the same CPU; times differ. SIGINT and SIGTERM
    end the run after the chunk in progress, and it is saved; a second signal ends it at once.

    With a validation split, the checkpoint with the best validation accuracy is kept too.

    Args:
        config: the settings of the run.
        dataset: the data to train and test on.
        workdir: a new or empty directory, or that of a run with the same settings. A finished run with a constant
            learning rate continues if `config` has more epochs.
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
    whole = dataset.limit(config.limit)
    divided = config.hold_out(whole)
    config.check_early_stopping(divided)
    session = Session(divided, devices, single, writers, checkpoint_every, keep_going)
    (epochs,) = session.train({Path(workdir): config}, whole)
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
    root = Path(os.path.commonpath([path.absolute() for path in configs]))
    if len(configs) > 1 and (root / "config.json").exists():
        raise InputError(f"{root} is the directory of a single run: give several runs another --workdir")
    if jax.process_count() > 1:
        raise InputError(
            f"{len(configs)} runs with {jax.process_count()} processes: train one run, or several in one process"
        )
    config = next(iter(configs.values()))
    devices = find_devices(config.device, num_devices)
    whole = dataset.limit(config.limit)
    divided = config.hold_out(whole)
    config.check_early_stopping(divided)
    session = Session(divided, devices, SINGLE, writers, checkpoint_every, keep_going)
    return session.train(configs, whole)


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
