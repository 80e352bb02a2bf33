"""The book's figures compared with those of several runs, and when they agree."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxcnn.recipes import ALL_RECIPES, RECIPES, Recipe
from jaxcnn.reproduction.results import Results

FINAL_LOSS_TOLERANCE = 0.05
EPOCH_LOSS_TOLERANCE = 0.10
ACCURACY_TOLERANCE = 0.01

Metric = Literal["train_loss", "train_accuracy", "test_accuracy"]
Agreement = Literal["yes", "no", "1 seed"]
_ROUNDING = 1e-9  # of a difference of two decimal fractions


@dataclass(frozen=True)
class Comparison:
    """A figure of the book beside those of several runs after the same epoch.

    Attributes:
        metric: 'train_loss', 'train_accuracy' or 'test_accuracy'.
        reference: the book's.
        measured: that of each run.

    Examples:
        >>> loss = Comparison("train_loss", 0.60, (0.61, 0.64))
        >>> loss.mean, loss.agrees
        (0.625, 'yes')
        >>> Comparison("test_accuracy", 0.82, (0.83, 0.85)).agrees
        'no'
    """

    metric: Metric
    reference: float
    measured: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the runs."""
        return float(np.mean(self.measured))

    @property
    def deviation(self) -> float:
        """Standard deviation of the runs, from n - 1; 0 of a single one."""
        return float(np.std(self.measured, ddof=1)) if len(self.measured) > 1 else 0.0

    @property
    def relative_difference(self) -> float:
        """(mean - reference) / reference."""
        return (self.mean - self.reference) / self.reference

    @property
    def agrees(self) -> Agreement:
        """Whether the runs reproduce the figure.

        A training loss: the mean is within 5 % of the book's. A training accuracy: within .01. A test accuracy, which
        varies most between runs: the book's is between the smallest and the largest, rounded to three digits as the
        book prints them. With a single run it is not checked.
        """
        if self.metric == "test_accuracy":
            if len(self.measured) < 2:
                return "1 seed"
            agrees = round(min(self.measured), 3) <= self.reference <= round(max(self.measured), 3)
        elif self.metric == "train_loss":
            agrees = abs(self.relative_difference) <= FINAL_LOSS_TOLERANCE + _ROUNDING
        else:
            agrees = abs(self.mean - self.reference) <= ACCURACY_TOLERANCE + _ROUNDING
        return "yes" if agrees else "no"


@dataclass(frozen=True)
class Experiment:
    """A recipe beside what its runs gave.

    Attributes:
        recipe: the recipe as it is now.
        runs: the runs with the recipe's settings that have the most finished epochs.
        behind: the runs with the recipe's settings that have fewer.
        others: the runs with other settings, or another limit or dtype than the first run; they are not compared.
    """

    recipe: Recipe
    runs: tuple[dict[str, Any], ...]
    behind: tuple[dict[str, Any], ...]
    others: tuple[dict[str, Any], ...]

    @property
    def is_of_the_book(self) -> bool:
        """Whether the book describes the experiment, so that its figures should be reproduced."""
        return self.recipe.name in RECIPES

    @property
    def num_epochs(self) -> int:
        """Number of epochs that can be compared."""
        return min(len(self.recipe.reference), len(self.runs[0]["epochs"])) if self.runs else 0

    @property
    def is_whole(self) -> bool:
        """Whether there is a run of all the book's epochs on all images."""
        return 0 < self.num_epochs == len(self.recipe.reference) and self.runs[0]["limit"] is None

    @property
    def final(self) -> tuple[Comparison, ...]:
        """Training loss, training accuracy and test accuracy of the last epoch that can be compared."""
        if not self.num_epochs:
            return ()
        number = self.num_epochs - 1
        reference = self.recipe.reference[number]
        return (
            self._comparison("train_loss", number, reference.loss),
            self._comparison("train_accuracy", number, reference.train_accuracy),
            self._comparison("test_accuracy", number, reference.test_accuracy),
        )

    @property
    def losses(self) -> tuple[Comparison, ...]:
        """The training loss of each epoch in which the book's is not on a plateau."""
        return tuple(
            self._comparison("train_loss", number, epoch.loss)
            for number, epoch in enumerate(self.recipe.reference[: self.num_epochs])
            if not epoch.on_plateau
        )

    @property
    def largest_difference(self) -> float:
        """The largest relative difference of `losses` from the book's, with its sign; 0 where there are none."""
        return max((loss.relative_difference for loss in self.losses), key=abs, default=0.0)

    @property
    def losses_agree(self) -> Agreement:
        """Whether the mean of each of `losses` is within 10 % of the book's."""
        return "yes" if abs(self.largest_difference) <= EPOCH_LOSS_TOLERANCE + _ROUNDING else "no"

    @property
    def failures(self) -> list[str]:
        """What is not reproduced, in words."""
        failures = [
            f"final {comparison.metric.replace('_', ' ')} ({_difference(comparison)})"
            for comparison in self.final
            if comparison.agrees == "no"
        ]
        return failures + ([f"loss by epoch ({self.largest_difference:+.1%})"] if self.losses_agree == "no" else [])

    @property
    def verdict(self) -> str:
        """Whether the experiment is reproduced, in a word or two."""
        if not self.runs:
            return "not run"
        if not self.is_whole:
            return "unfinished"
        if self.failures:
            return "no"
        return "yes" if len(self.runs) > 1 else "yes, 1 seed"

    def _comparison(self, metric: Metric, number: int, reference: float) -> Comparison:
        return Comparison(metric, reference, tuple(run["epochs"][number][metric] for run in self.runs))


def compare(results: Results) -> Iterator[Experiment]:
    """Each of the book's experiments, in its order, and each other recipe that there are runs of."""
    runs = results["runs"]
    for name, recipe in ALL_RECIPES.items():
        named = [run for run in runs if run["recipe"] == name]
        if named or name in RECIPES:
            same = [run for run in named if _is_of(recipe, run)]
            mine = [run for run in same if all(run.get(key) == same[0].get(key) for key in ("limit", "dtype"))]
            reached = min(max((len(run["epochs"]) for run in mine), default=0), len(recipe.reference))
            yield Experiment(
                recipe,
                runs=tuple(run for run in mine if reached and len(run["epochs"]) >= reached),
                behind=tuple(run for run in mine if not reached or len(run["epochs"]) < reached),
                others=tuple(run for run in named if run not in mine),
            )


def _is_of(recipe: Recipe, run: dict[str, Any]) -> bool:
    """Whether `run` is of Fashion-MNIST and has the settings of `recipe`, except for the number of epochs."""
    settings = {name: value for name, value in recipe.settings().items() if name != "num_epochs"}
    return "data" not in run and all(run.get(name) == value for name, value in settings.items())


def _difference(comparison: Comparison) -> str:
    if comparison.metric == "train_loss":
        return f"{comparison.relative_difference:+.1%}"
    return f"{comparison.mean - comparison.reference:+.3f}"
