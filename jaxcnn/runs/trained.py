"""A run that was carried out, opened again to be looked at and used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxcnn.data import Dataset, StreamedDataset, load_dataset
from jaxcnn.errors import InputError
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.directory import read_config, read_summary
from jaxcnn.runs.environment import open_many_files, room_for_images
from jaxcnn.training import Checkpoints, EpochFigures, TrainState, predict

_NUM_EXAMPLES = 60_000  # by which a schedule gets its length, which a run that is over does not need


def find_runs(path: Path) -> list[Path]:
    """The directory `path` if it is a run's, and those below it that are, in order.

    Raises:
        InputError: if there are none.
    """
    found = sorted(config.parent for config in path.rglob("config.json"))
    if not found:
        raise InputError(f"{path} holds no run with a finished epoch: train one first")
    return found


def load_data(config: RunConfig, source: str | None = None) -> Dataset | StreamedDataset:
    """The data that a run is of, from `source`, or from where it was trained from; streamed where it is too large.

    Raises:
        InputError: if it cannot be read, or is not of the form that the run was trained on.
    """
    open_many_files()
    place = source or config.data.source
    dataset = load_dataset(place, image_size=config.recipe.image_size, max_bytes=room_for_images())
    config.check_data(dataset)
    return dataset


@dataclass(frozen=True)
class TrainedRun:
    """A run as it stands at its newest checkpoint.

    Attributes:
        path: its directory.
        config: what was asked for.
        state: the state at the newest checkpoint.
        epochs: figures of the epochs that were done by then.
        summary: what summary.json holds; empty where the run has not ended.
    """

    path: Path
    config: RunConfig
    state: TrainState
    epochs: tuple[EpochFigures, ...]
    summary: dict[str, Any]

    @classmethod
    def open(cls, path: Path) -> "TrainedRun":
        """The run in the directory `path`, which is only read.

        Raises:
            InputError: if there is none, nothing was saved in it, or it cannot be read.
        """
        try:
            config = RunConfig.from_json(read_config(path))
        except InputError as error:
            raise error if str(path) in str(error) else InputError(f"{path} cannot be opened: {error}") from error
        if not any((path / "checkpoints").glob("[0-9]*")):
            raise InputError(f"{path} has no checkpoint yet: let the run be saved first")
        try:
            with Checkpoints(path / "checkpoints") as checkpoints:
                form = config.zeros_state(_NUM_EXAMPLES, len(config.data.class_names), config.data.image_shape[2])
                state, history = checkpoints.resume(form)
        except OSError as error:
            raise InputError(f"{error}: train it anew in another directory") from error
        epochs = tuple(EpochFigures(**figures) for figures in history.get("epochs", ()))
        return cls(path, config, state, epochs, read_summary(path))

    def predict(self, images: Float[np.ndarray, "n h w c"] | np.ndarray) -> Float[np.ndarray, "n classes"]:
        """The probability of each class for each image, (N, H, W, C)."""
        return predict(self.state, images, image_size=self.config.recipe.image_size)
