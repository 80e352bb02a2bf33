"""The results of several groups of runs side by side."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.report.drawing import BLUE, ORANGE, as_svg, drawing_style
from jaxcnn.words import printable


@dataclass(frozen=True)
class ComparedRuns:
    """Runs that differ only in their seeds.

    Attributes:
        title: the label of the row.
        values: the result of each seed.
        reference: the book's figure; None if there is none.
    """

    title: str
    values: Sequence[float]
    reference: float | None


def draw_comparison(rows: Sequence[ComparedRuns], label: str) -> str:
    """A row for each group of runs: a dot for each seed, a line at their mean, and the book's figure.

    Args:
        rows: the groups, the first at the top.
        label: what the values are.
    """
    titles = [textwrap.fill(printable(row.title), 24) for row in rows]
    places = np.arange(len(rows))
    known = [(place, row.reference) for place, row in zip(places, rows, strict=True) if row.reference is not None]
    with drawing_style({"axes.grid.axis": "x"}):
        figure = Figure(figsize=(5.5, 1.2 + sum(0.2 + 0.18 * (1 + title.count("\n")) for title in titles)))
        axes = figure.subplots()
        seeds = [(value, place) for place, row in zip(places, rows, strict=True) for value in row.values]
        axes.plot(*zip(*seeds, strict=True), "o", color=BLUE, alpha=0.6, label="a seed")
        means = [float(np.mean(row.values)) for row in rows]
        axes.plot(means, places, "|", color=BLUE, markersize=16, markeredgewidth=2, label="mean")
        if known:
            axes.plot(
                [reference for _, reference in known], [place for place, _ in known],
                "D", color=ORANGE, markerfacecolor="none", label="the book",
            )  # fmt: skip
        axes.set_yticks(places, titles)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(label)
        figure.legend(loc="outside upper right", ncols=3)
        return as_svg(figure)
