"""Comparison of the book's figures with the metrics of several runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxcnn.recipes import ALL_RECIPES, RECIPES, Recipe, setting_names
from jaxcnn.reproduction.results import Results
from jaxcnn.runs.records import SELECTION
from jaxcnn.training.metrics import standard_deviation

FINAL_LOSS_TOLERANCE = 0.05
EPOCH_LOSS_TOLERANCE = 0.10
ACCURACY_TOLERANCE = 0.01

Metric = Literal["train_loss", "train_accuracy", "test_accuracy"]
Agreement = Literal["yes", "no", "1 seed"]
_ROUNDING = 1e-9  # allowed rounding error of a difference of two decimal fractions


@dataclass(frozen=True)
class Comparison:
    """A metric of several runs compared with the book's figure, after the same epoch.

    Attributes:
        metric: 'train_loss', 'train_accuracy' or 'test_accuracy'.
        reference: the book's figure.
        measured: the value of each run.

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
        """The mean over the runs."""
        return float(np.mean(self.measured))

    @property
    def deviation(self) -> float:
        """The standard deviation over the runs, with denominator n - 1; 0 for a single run."""
        return standard_deviation(self.measured)

    @property
    def relative_difference(self) -> float:
        """(mean - reference) / reference."""
        return (self.mean - self.reference) / self.reference

    @property
    def agrees(self) -> Agreement:
        """Whether the runs reproduce the book's figure.

        Training loss: the mean is within 5 % of the figure. Training accuracy: the mean is within .01. Test accuracy,
        which varies more between runs: the figure is between the minimum and the maximum of the runs, rounded to three
        digits like the book's. With a single run, the test accuracy is not checked.
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
    """A recipe and its runs.

    Attributes:
        recipe: the recipe.
        runs: the runs with the recipe's settings and the maximum number of finished epochs.
        behind: the runs with the recipe's settings and fewer finished epochs.
        others: the runs with other settings, or with another limit or dtype than the first run. They are not compared.
    """

    recipe: Recipe
    runs: tuple[dict[str, Any], ...]
    behind: tuple[dict[str, Any], ...]
    others: tuple[dict[str, Any], ...]

    @property
    def is_of_the_book(self) -> bool:
        """Whether this is one of the book's experiments, whose figures should be reproduced."""
        return self.recipe.name in RECIPES

    @property
    def num_epochs(self) -> int:
        """The number of epochs that can be compared."""
        return min(len(self.recipe.reference), len(self.runs[0]["epochs"])) if self.runs else 0

    @property
    def is_whole(self) -> bool:
        """Whether the runs have all of the book's epochs, on all images."""
        return 0 < self.num_epochs == len(self.recipe.reference) and self.runs[0]["limit"] is None

    @property
    def final(self) -> tuple[Comparison, ...]:
        """The comparisons of training loss, training accuracy and test accuracy in the last comparable epoch."""
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
        """The comparisons of the training loss in each epoch, except those on a plateau."""
        return tuple(
            self._comparison("train_loss", number, epoch.loss)
            for number, epoch in enumerate(self.recipe.reference[: self.num_epochs])
            if not epoch.on_plateau
        )

    @property
    def largest_difference(self) -> float:
        """The relative difference of `losses` with the largest magnitude; 0 if there are no losses."""
        return max((loss.relative_difference for loss in self.losses), key=abs, default=0.0)

    @property
    def losses_agree(self) -> Agreement:
        """Whether the mean of every loss in `losses` is within 10 % of the book's."""
        return "yes" if abs(self.largest_difference) <= EPOCH_LOSS_TOLERANCE + _ROUNDING else "no"

    @property
    def failures(self) -> list[str]:
        """The metrics that are not reproduced, with their differences, as text."""
        failures = [
            f"final {comparison.metric.replace('_', ' ')} ({_difference(comparison)})"
            for comparison in self.final
            if comparison.agrees == "no"
        ]
        return failures + ([f"loss by epoch ({self.largest_difference:+.1%})"] if self.losses_agree == "no" else [])

    @property
    def verdict(self) -> str:
        """Whether the experiment is reproduced: 'yes', 'yes, 1 seed', 'no', 'unfinished' or 'not run'."""
        if not self.runs:
            return "not run"
        if not self.is_whole:
            return "unfinished"
        if self.failures:
            return "no"
        return "yes" if len(self.runs) > 1 else "yes, 1 seed"

    def _comparison(self, metric: Metric, number: int, reference: float) -> Comparison:
        return Comparison(metric, reference, tuple(run["epochs"][number][metric] for run in self.runs))


def compare(results: Results, recipes: Mapping[str, Recipe] = ALL_RECIPES) -> Iterator[Experiment]:
    """Yield every experiment of the book, in order, and every other recipe with runs.

    Args:
        results: the runs.
        recipes: the recipes by name. Runs with other settings than these are not compared.
    """
    runs = results["runs"]
    for name, recipe in recipes.items():
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
    """Whether `run` used Fashion-MNIST and the settings of `recipe`, except for the number of epochs.

    This is false for runs with a validation split or from trained weights.
    """
    settings, selection = recipe.settings(), {name: run.get(name, value) for name, value in SELECTION.items()}
    return (
        {"data", "init_from"}.isdisjoint(run)
        and selection == SELECTION
        and all(run.get(name) == settings.get(name) for name in setting_names() if name != "num_epochs")
    )


def _difference(comparison: Comparison) -> str:
    if comparison.metric == "train_loss":
        return f"{comparison.relative_difference:+.1%}"
    return f"{comparison.mean - comparison.reference:+.4f}"
