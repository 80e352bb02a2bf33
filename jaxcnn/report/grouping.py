"""Groups of runs that differ only in their seeds."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from jaxcnn.recipes import ALL_RECIPES
from jaxcnn.report.command import option_values
from jaxcnn.report.tables import cell
from jaxcnn.runs import RunConfig, TrainedRun, flatten_config
from jaxcnn.training import EpochResult
from jaxcnn.training.metrics import standard_deviation

_WORDS = {"None": "none", "True": "yes", "False": "no"}


@dataclass(frozen=True)
class RunGroup:
    """Runs that differ only in their seeds.

    Attributes:
        runs: the runs, in the order of their directories.
        differences: the settings in which groups of the same recipe differ, such as 'learning rate 0.01'.
    """

    runs: tuple[TrainedRun, ...]
    differences: tuple[str, ...]

    @property
    def config(self) -> RunConfig:
        """The settings of the first run."""
        return self.runs[0].config

    @property
    def title(self) -> str:
        """The recipe and the differences."""
        return ", ".join([self.config.recipe.title, *self.differences])

    @property
    def by_seed(self) -> dict[int, TrainedRun]:
        """The first run of each seed, in the order of the seeds."""
        first = {run.config.seed: run for run in reversed(self.runs)}
        return dict(sorted(first.items()))

    @property
    def repeated(self) -> list[TrainedRun]:
        """The runs that repeat the seed of an earlier run."""
        return [run for run in self.runs if run is not self.by_seed[run.config.seed]]

    @property
    def results(self) -> list[EpochResult]:
        """The result of each seed: its best epoch by validation accuracy, or its last without a validation split."""
        return [run.best_epoch or run.epochs[-1] for run in self.by_seed.values()]

    @property
    def is_validated(self) -> bool:
        """Whether the runs have a validation split."""
        return self.runs[0].best_epoch is not None

    @property
    def seconds(self) -> float:
        """The time of all runs, including compilation."""
        return sum(epoch.seconds + epoch.compile_seconds for run in self.runs for epoch in run.epochs)


def group_runs(runs: Iterable[TrainedRun]) -> list[RunGroup]:
    """Group runs that differ only in their seeds, in the order of the recipes."""
    order = {name: place for place, name in enumerate(ALL_RECIPES)}
    found: dict[str, list[TrainedRun]] = {}
    for run in sorted(runs, key=lambda run: order.get(run.config.recipe.name, len(order))):
        found.setdefault(str(replace(run.config, seed=0).as_json()), []).append(run)
    configs = [members[0].config for members in found.values()]
    return [RunGroup(tuple(members), _differences(members[0].config, configs)) for members in found.values()]


def mean_and_deviation(values: Sequence[float]) -> str:
    """The mean, and the standard deviation of two or more values.

    Examples:
        >>> mean_and_deviation([0.5]), mean_and_deviation([0.4, 0.6])
        ('0.500', '0.500 ± 0.141')
    """
    mean = cell(statistics.fmean(values))
    return mean if len(values) == 1 else f"{mean} ± {cell(standard_deviation(values))}"


def _differences(config: RunConfig, others: Sequence[RunConfig]) -> tuple[str, ...]:
    """The settings of `config` that differ from those of `others` with the same recipe.

    These are command-line options if the options distinguish all groups, otherwise entries of config.json.
    """
    same_recipe = [other for other in others if other.recipe.name == config.recipe.name]
    options = [option_values(other) for other in same_recipe]
    if len({str(values | {"seed": 0}) for values in options}) == len(same_recipe):
        own, settings = option_values(config), options
    else:
        own, settings = flatten_config(config.as_json()), [flatten_config(other.as_json()) for other in same_recipe]
    names = dict.fromkeys(name for each in [own, *settings] for name in each if name != "seed")
    return tuple(
        f"{name.replace('_', ' ').replace('-', ' ')} {_WORDS.get(str(own.get(name)), own.get(name))}"
        for name in names
        if any(each.get(name) != own.get(name) for each in settings)
    )
