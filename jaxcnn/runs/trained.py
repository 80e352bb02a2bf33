"""A run that was carried out, opened again to be looked at and used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxcnn.data import FASHION_MNIST_CLASSES
from jaxcnn.errors import InputError
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.directory import read_config, read_summary
from jaxcnn.training import Checkpoints, EpochFigures, TrainState, predict

CLASS_NAMES = FASHION_MNIST_CLASSES
"""The classes of the data that runs are of."""

IMAGE_SHAPE = (28, 28, 1)
"""Height, width and channels of its images."""

NUM_EXAMPLES = 60_000
"""How many images it has to train on."""


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
                state, history = checkpoints.resume(config.blank_state(NUM_EXAMPLES, len(CLASS_NAMES), IMAGE_SHAPE[2]))
        except OSError as error:
            raise InputError(f"{error}: train it anew in another directory") from error
        epochs = tuple(EpochFigures(**figures) for figures in history.get("epochs", ()))
        return cls(path, config, state, epochs, read_summary(path))

    def predict(self, images: Float[np.ndarray, "n h w c"] | np.ndarray) -> Float[np.ndarray, "n classes"]:
        """The probability of each class for each image, (N, H, W, 1)."""
        return predict(self.state, images, image_size=self.config.recipe.image_size)
