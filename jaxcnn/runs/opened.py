"""A run opened for use: its settings, its newest state and its results."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Float

from jaxcnn.data import Dataset, StreamedDataset, Views, load_dataset
from jaxcnn.errors import InputError
from jaxcnn.platform import memory_budget, raise_file_limit
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.data_spec import ARRAYS
from jaxcnn.runs.evaluation import Evaluation
from jaxcnn.runs.records import read_config, read_metrics, read_summary
from jaxcnn.runs.states import zeros_state
from jaxcnn.training import Checkpointer, EpochResult, TrainState, best_epoch, predict
from jaxcnn.words import count_of

Split = Literal["train", "val", "test"]
"""The name of a split: training, validation or test images."""

_LOGGER = logging.getLogger(__name__)
_NUM_EXAMPLES = 60_000  # decides the length of the schedule, which is not used
_BATCH = 256  # images that are read at once


def find_runs(path: Path | str) -> list[Path]:
    """The directories of all runs in `path`, which can be one itself, in order.

    Raises:
        InputError: if there are none.
    """
    found = sorted(config.parent for config in Path(path).rglob("config.json"))
    if not found:
        raise InputError(f"{path} has no run with a finished epoch: train one first")
    return found


def open_runs(path: Path | str, *, best: bool = False, views: Views | None = None) -> "list[TrainedRun]":
    """All runs in `path` with a finished epoch; those without one, such as diverged ones, are named in the log.

    Args:
        path: the directory of a run, or a directory with several runs.
        best: as for `TrainedRun.open`.
        views: as for `TrainedRun.open`.

    Raises:
        InputError: if there are none, or one cannot be read.
    """
    runs = []
    for directory in find_runs(path):
        # metrics.jsonl is written before the checkpoint of its last epoch, which may be the first checkpoint
        has_checkpoint = any(place.name.isdecimal() for place in (directory / "checkpoints").glob("*"))
        has_epoch = has_checkpoint and len(read_metrics(directory)) > 0
        run = TrainedRun.open(directory, best=best, views=views) if has_epoch else None
        if run is not None and run.epochs:
            runs.append(run)
        else:
            _LOGGER.warning("%s has no finished epoch and is left out", directory)
    if not runs:
        raise InputError(f"{path} has no run with a finished epoch: train one first")
    return runs


def load_data(config: RunConfig, source: str | None = None) -> Dataset | StreamedDataset:
    """The data of a run, from `source` or from where the run had it; it is streamed if it is too large for the memory.

    A warning is logged if the images or labels in the run's own place have changed since the run.

    Raises:
        InputError: if it cannot be read, or has other classes or another image shape.
    """
    if source is None and config.data.source == ARRAYS:
        raise InputError("the run was trained on arrays, which cannot be loaded again: give --data")
    raise_file_limit()
    options = {"image_size": config.recipe.image_size, "max_bytes": memory_budget()}
    if source is not None or config.data.source is None:
        dataset = load_dataset(source, **options)
    else:
        try:
            dataset = load_dataset(config.data.source, **options)
        except InputError as error:
            raise InputError(f"{error}; if the data of the run was moved, give its place with --data") from error
    config.check_data(dataset)
    if source is None:
        _warn_if_changed(config, dataset)
    return dataset


def load_common_data(runs: "Sequence[TrainedRun]", source: str | None = None) -> Dataset | StreamedDataset:
    """The data of several runs, as `load_data` loads that of one.

    Raises:
        InputError: as for `load_data`, or if `source` is not given and the runs were trained on different data.
    """
    first, *others = runs
    for run in others:
        if source is None and not run.config.data.is_same_as(first.config.data):
            places = [f"{each.path}: {each.config.data.source or 'Fashion-MNIST'}" for each in (first, run)]
            raise InputError(f"the runs were trained on different data ({', '.join(places)}): take each by itself")
    dataset = load_data(first.config, source)
    compared = [first.config.data.sha256]
    for run in others:
        if source is None and run.config.data.sha256 not in compared:
            compared.append(run.config.data.sha256)
            _warn_if_changed(run.config, dataset, str(run.path))
    return dataset


def _warn_if_changed(config: RunConfig, dataset: Dataset | StreamedDataset, name: str = "the run") -> None:
    if not config.data.has_contents_of(dataset.limit(config.limit)):
        _LOGGER.warning("%s has changed since %s was trained", config.data.source or "Fashion-MNIST", name)


def _resume_best(
    path: Path, checkpoints: Checkpointer, state: TrainState, metadata: dict[str, Any]
) -> tuple[TrainState, dict[str, Any]]:
    """The best of `checkpoints` and its metadata; `metadata` is that of the newest one.

    Raises:
        InputError: if none is the best, or it cannot be read.
    """
    epochs = [EpochResult.from_json(record) for record in metadata.get("epochs", ())]
    if not epochs:
        raise InputError(f"{path} has no finished epoch yet, so none is the best: leave --best out")
    step = checkpoints.best_step
    if best_epoch(epochs) is None or step is None:
        raise InputError(
            f"{path} has no validation split, so none of its epochs is the best: leave --best out, or train with "
            "--val-fraction 0.1"
        )
    try:
        found = checkpoints.resume(state, max_step=step)
    except FileNotFoundError:
        found = None
    if found is None or int(found[0].step) != step:
        raise InputError(f"{path}: checkpoint {step}, the best one, cannot be read: leave --best out")
    return found


@dataclass(frozen=True)
class TrainedRun:
    """A run at one of its checkpoints.

    Attributes:
        path: its directory.
        config: its settings.
        state: the state at the checkpoint.
        epochs: the results of the epochs finished by then, without states.
        summary: the content of summary.json; empty if the run has not ended.
        views: views of each image, over which `predict` and `evaluate` average the probabilities; None for the image
            alone.
        within_epoch: whether the checkpoint is within an epoch, after those in `epochs`.
    """

    path: Path
    config: RunConfig
    state: TrainState = field(repr=False)
    epochs: tuple[EpochResult, ...]
    summary: dict[str, Any] = field(repr=False)
    views: Views | None = None
    within_epoch: bool = False

    @classmethod
    def open(cls, path: Path | str, *, best: bool = False, views: Views | None = None) -> "TrainedRun":
        """The run in the directory `path`, which is not changed.

        Args:
            path: its directory.
            best: whether to open the checkpoint with the best validation accuracy instead of the newest.
            views: views of each image that predictions are averaged over (test-time augmentation).

        Raises:
            InputError: if there is none, it has no checkpoint, it cannot be read, or `best` is given and it has no
                epoch with a validation split.
        """
        path = Path(path)
        try:
            settings = read_config(path)
            config = RunConfig.from_json(settings)
        except InputError as error:
            raise error if str(path) in str(error) else InputError(f"{path} cannot be opened: {error}") from error
        missing = InputError(f"{path} has no checkpoint: train until the first one is saved")
        if not (path / "checkpoints").exists():
            raise missing
        prng_impl = settings.get("jax", {}).get("default_prng_impl", jax.config.values["jax_default_prng_impl"])
        try:
            with Checkpointer(path / "checkpoints") as checkpoints, jax.default_prng_impl(prng_impl):
                if not checkpoints.steps():
                    raise missing
                zeros = zeros_state(config, _NUM_EXAMPLES, len(config.data.class_names), config.data.image_shape[2])
                state, metadata = checkpoints.resume(zeros)
                if best:
                    state, metadata = _resume_best(path, checkpoints, zeros, metadata)
        except FileNotFoundError as error:
            raise InputError(f"{error}: train the run again in another directory") from error
        except OSError as error:
            raise InputError(
                f"{path / 'checkpoints'} cannot be read ({error.strerror or error}): change its permissions"
            ) from error
        epochs = tuple(EpochResult.from_json(record) for record in metadata.get("epochs", ()))
        return cls(path, config, state, epochs, read_summary(path), views, metadata.get("metrics") is not None)

    @property
    def members(self) -> "tuple[TrainedRun, ...]":
        """This run alone, as an ensemble has several."""
        return (self,)

    @property
    def title(self) -> str:
        """The title of its recipe, the number of epochs, and the views."""
        views = "" if self.views is None else f", {self.views}"
        return f"{self.config.recipe.title} after {count_of(len(self.epochs), 'epoch')}{views}"

    @property
    def best_epoch(self) -> EpochResult | None:
        """The epoch with the highest validation accuracy; None without a validation split."""
        return best_epoch(self.epochs)

    def predict(self, images: Float[np.ndarray, "n h w c"] | np.ndarray) -> Float[np.ndarray, "n classes"]:
        """The probability of each class for each image, (N, H, W, C)."""
        return predict(self.state, images, image_size=self.config.recipe.image_size, views=self.views)

    def evaluate(self, dataset: Dataset | StreamedDataset, split: Split = "test") -> Evaluation:
        """The network's predictions for the images of a split, as many as the limit of the run allows.

        Args:
            dataset: the data of the run, or other data with its classes.
            split: 'train', 'val' or 'test'. The first two are those of the run.

        Raises:
            InputError: if `dataset` has other classes or another image shape than the run's data, or no such split.
        """
        self.config.check_data(dataset)
        dataset = dataset.limit(self.config.limit)
        if split != "test" and self.config.val_fraction is not None and dataset.val is not None:
            raise InputError(f"--split {split}: the data has a validation split, and the run held out another one")
        source = dataset.test if split == "test" else getattr(self.config.hold_out(dataset), split)
        if source is None:
            raise InputError(f"--split {split}: the run has no validation split; give --split test")
        indices = np.arange(len(source))
        batches = source.batches([indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)])
        predicted = [(self.predict(images), labels) for images, labels in batches]
        probabilities, labels = (np.concatenate(parts) for parts in zip(*predicted, strict=True))
        return Evaluation(probabilities, labels)
