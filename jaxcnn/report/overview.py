"""The overview of several groups of runs: a table and a figure."""

import statistics
from collections.abc import Sequence
from typing import Any

from jaxcnn.report import figures
from jaxcnn.report.grouping import RunGroup, mean_and_deviation
from jaxcnn.report.rendering import embed_figure
from jaxcnn.report.tables import HtmlTable, cell

_MAX_SEEDS = 5  # that are listed one by one


def make_overview(groups: Sequence[RunGroup]) -> dict[str, Any]:
    """The content of the overview."""
    return {
        "table": _table(groups),
        "links": {f"{number}": f"#runs-{number}" for number in range(1, len(groups) + 1)},
        "best": _best_by_validation(groups),
        "figure": _figure(groups),
    }


def _table(groups: Sequence[RunGroup]) -> HtmlTable:
    """A row for each group. Columns that no group needs are left out."""
    has_reference = any(group.config.recipe.reference for group in groups)
    is_validated = any(group.is_validated for group in groups)
    headings = ["no.", "recipe", "settings that differ", "seeds", "epochs"]
    headings += ["best epoch", "val acc"] if is_validated else []
    headings += ["test acc"] + (["the book"] if has_reference else []) + ["time, s"]
    rows = []
    for number, group in enumerate(groups, start=1):
        seeds = list(group.by_seed)
        listed = ", ".join(map(str, seeds)) if len(seeds) <= _MAX_SEEDS else f"{len(seeds)} seeds"
        row = [str(number), group.config.recipe.title, ", ".join(group.differences) or "-", listed]
        row.append(_range([len(run.epochs) for run in group.by_seed.values()]))
        if is_validated:
            row += _validation(group)
        row.append(mean_and_deviation([result.test_accuracy for result in group.results]))
        if has_reference:
            row.append(cell(_reference(group)))
        rows.append([*row, f"{group.seconds:,.0f}"])
    return HtmlTable("All runs", [headings, *rows], num_words=4)


def _validation(group: RunGroup) -> list[str]:
    """The best epoch of the seeds and their validation accuracy."""
    if not group.is_validated:
        return ["-", "-"]
    best = _range([result.epoch for result in group.results])
    return [best, mean_and_deviation(_validation_accuracies(group))]


def _validation_accuracies(group: RunGroup) -> list[float]:
    return [result.metrics["val_accuracy"] for result in group.results]


def _best_by_validation(groups: Sequence[RunGroup]) -> str | None:
    """The group with the highest mean validation accuracy, if it is unique and all use the same validation images."""
    splits = {(group.config.limit, group.config.val_fraction, group.config.val_seed) for group in groups}
    if len(splits) > 1 or not all(group.is_validated for group in groups):
        return None
    means = {group.title: statistics.fmean(_validation_accuracies(group)) for group in groups}
    highest = [title for title, mean in means.items() if mean == max(means.values())]
    return highest[0] if len(highest) == 1 else None


def _figure(groups: Sequence[RunGroup]) -> dict[str, str]:
    rows = [
        figures.ComparedRuns(group.title, [result.test_accuracy for result in group.results], _reference(group))
        for group in groups
    ]
    means = {row.title: statistics.fmean(row.values) for row in rows}
    low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    return embed_figure(
        "Test accuracy of all runs", figures.draw_comparison(rows, "test accuracy"),
        "Each dot is a seed; the line is the mean over the seeds.",
        f"The mean test accuracy is between {means[low]:.3f} ({low}) and {means[high]:.3f} ({high}).",
    )  # fmt: skip


def _reference(group: RunGroup) -> float | None:
    """The book's test accuracy after its last epoch."""
    reference = group.config.recipe.reference
    return reference[-1].test_accuracy if reference else None


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
