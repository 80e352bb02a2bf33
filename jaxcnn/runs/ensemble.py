"""Several trained runs that predict together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxcnn.data import Dataset, StreamedDataset, Views
from jaxcnn.errors import InputError, list_differences, list_names
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.evaluation import Evaluation
from jaxcnn.runs.opened import Split, TrainedRun, open_runs
from jaxcnn.words import count_of

_SPLIT_SETTINGS = {"limit": "--limit", "val_fraction": "--val-fraction", "val_seed": "--val-seed"}


@dataclass(frozen=True)
class Ensemble:
    """Trained runs whose probabilities are averaged.

    If R runs predict the probabilities p_1, ..., p_R of the classes, the ensemble predicts

        p = (p_1 + ... + p_R) / R

    The cross-entropy of p is at most the mean cross-entropy of the runs. The networks can differ, but not the
    classes and the image shape.

    Attributes:
        runs: one or more runs at one of their checkpoints.

    Raises:
        InputError: if there are no runs, or they have different classes or image shapes.

    References:
        Lakshminarayanan, Pritzel and Blundell, Simple and Scalable Predictive Uncertainty Estimation using Deep
        Ensembles, 2017, arXiv:1612.01474.
    """

    runs: tuple[TrainedRun, ...]

    def __post_init__(self) -> None:
        if not self.runs:
            raise InputError("the ensemble has no runs: expected one or more")
        first = self.runs[0]
        for run in self.runs[1:]:
            one, other = first.config.data, run.config.data
            if one.class_names != other.class_names:
                found = list_differences({str(first.path): one.class_names, str(run.path): other.class_names})
                raise InputError(
                    f"the runs have different classes ({found or 'the same names in another order'}): give runs on "
                    "the same data"
                )
            if one.light_on_dark != other.light_on_dark:
                raise InputError(
                    f"{first.path} and {run.path} convert image files in different ways: give runs on the same data"
                )
            if one.image_shape != other.image_shape:
                raise InputError(
                    f"the runs have images of shape {one.image_shape} ({first.path}) and {other.image_shape} "
                    f"({run.path}): give runs on the same data"
                )

    @property
    def config(self) -> RunConfig:
        """The settings of the first run. All runs have its classes and image shape."""
        return self.runs[0].config

    @property
    def members(self) -> tuple[TrainedRun, ...]:
        """The runs."""
        return self.runs

    @property
    def title(self) -> str:
        """The titles of the runs, each once, and how many runs there are."""
        titles = list(dict.fromkeys(run.title for run in self.runs))
        return f"{list_names(titles)}, mean of {count_of(len(self.runs), 'run')}"

    def predict(self, images: Float[np.ndarray, "n h w c"] | np.ndarray) -> Float[np.ndarray, "n classes"]:
        """The mean probability of each class for each image, (N, H, W, C)."""
        return np.mean([run.predict(images) for run in self.runs], axis=0)

    def evaluate(self, dataset: Dataset | StreamedDataset, split: Split = "test") -> Evaluation:
        """Evaluate the mean probabilities on the images of a split.

        Args:
            dataset: as for `TrainedRun.evaluate`.
            split: 'train', 'val' or 'test'. For the first two, the runs must have the same validation split.

        Raises:
            InputError: as for `TrainedRun.evaluate`, or if the split has different images in different runs.
        """
        for name in ["limit"] if split == "test" else _SPLIT_SETTINGS:
            values = {str(getattr(run.config, name)) for run in self.runs}
            if len(values) > 1:
                raise InputError(
                    f"--split {split}: the runs have different {_SPLIT_SETTINGS[name]} ({list_names(sorted(values))}), "
                    "so their images differ; evaluate each run separately"
                )
        evaluations = [run.evaluate(dataset, split) for run in self.runs]
        return Evaluation(np.mean([each.probabilities for each in evaluations], axis=0), evaluations[0].labels)


def open_run_or_ensemble(path: Path | str, *, best: bool = False, views: Views | None = None) -> TrainedRun | Ensemble:
    """The run in the directory `path`, or the ensemble of all runs below it.

    Args:
        path: the directory of a run, or a directory with several runs.
        best: as for `TrainedRun.open`.
        views: as for `TrainedRun.open`.

    Raises:
        InputError: as for `TrainedRun.open` and `open_runs`, or if the runs have different classes or image shapes.
    """
    path = Path(path)
    is_run = (path / "config.json").exists() or not any(path.rglob("config.json"))
    return (
        TrainedRun.open(path, best=best, views=views)
        if is_run
        else Ensemble(tuple(open_runs(path, best=best, views=views)))
    )
