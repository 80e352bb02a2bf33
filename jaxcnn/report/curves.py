"""The curves of a group of runs, and their description in words."""

import math
import statistics
from collections.abc import Sequence

from jaxcnn.report import figures
from jaxcnn.report.grouping import RunGroup
from jaxcnn.report.rendering import embed_figure
from jaxcnn.training import EpochResult
from jaxcnn.words import count_of

_IN_THE_BOOK = ("loss", "accuracy")
_SPLITS = {"test": "test", "val": "validation", "train": "training"}


def curve_figures(group: RunGroup) -> list[dict[str, str]]:
    """A figure for each metric."""
    runs = [run.epochs for run in group.by_seed.values()]
    recipe = group.config.recipe
    shown = []
    for name in runs[0][0].metric_names:
        solid = (
            "one run" if len(runs) == 1 else f"the mean of {len(runs)} seeds, with the range from minimum to maximum"
        )
        dashed = "; dashed, open marks: the book" if recipe.reference and name in _IN_THE_BOOK else ""
        shown.append(
            embed_figure(
                f"{name.replace('_', ' ').capitalize()} by epoch", figures.draw_curves(recipe, runs, metric=name),
                f"Solid: {solid}{dashed}.", describe_curve(runs, name),
            )
        )  # fmt: skip
    return shown


def describe_curve(runs: Sequence[Sequence[EpochResult]], metric: str) -> str:
    """Describe how the mean of a metric changes over the epochs, on the test images if it is measured there.

    Args:
        runs: the results of the epochs of each run.
        metric: its name, such as 'loss' or 'accuracy'.

    Examples:
        >>> common = {"train_loss": 0.5, "train_accuracy": 0.8, "test_loss": 0.4}
        >>> run = [
        ...     EpochResult(number, {**common, "test_accuracy": accuracy}, 2.0, 10.0, 0.0)
        ...     for number, accuracy in enumerate((0.62, 0.79), 1)
        ... ]
        >>> describe_curve([run], "accuracy"), describe_curve([run, run], "loss")
        ('Test accuracy rises from 0.620 to 0.790 in 2 epochs.', 'Test loss stays at 0.400 for 2 epochs.')
    """
    split = next(split for split in _SPLITS if f"{split}_{metric}" in runs[0][0].metrics)
    num_epochs = min(map(len, runs))
    first, last = (
        f"{statistics.fmean(run[place].metrics.get(f'{split}_{metric}', math.nan) for run in runs):.3f}"
        for place in (0, num_epochs - 1)
    )
    what = f"{_SPLITS[split]} {metric.replace('_', ' ')}".capitalize()
    epochs = count_of(num_epochs, "epoch")
    if num_epochs == 1:
        return f"{what} is {last} after {epochs}."
    if first == last:
        return f"{what} stays at {last} for {epochs}."
    return f"{what} {'rises' if float(last) > float(first) else 'falls'} from {first} to {last} in {epochs}."
