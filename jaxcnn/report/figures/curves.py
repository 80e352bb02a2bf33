"""Metrics by epoch."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxcnn.recipes import Recipe
from jaxcnn.report.drawing import BLUE, GREEN, ORANGE, as_svg, drawing_style
from jaxcnn.training import EpochResult


def draw_curves(recipe: Recipe, runs: Sequence[Sequence[EpochResult]], *, metric: str) -> str:
    """A metric by epoch: the mean of the runs with the range from minimum to maximum, and the book's figures.

    Args:
        recipe: its reference is drawn dashed, if it has one.
        runs: the results of the epochs of each run.
        metric: its name, such as 'loss' or 'accuracy'.
    """
    lines = {
        f"train_{metric}": (BLUE, "o", "training"),
        f"val_{metric}": (GREEN, "^", "validation"),
        f"test_{metric}": (ORANGE, "s", "test"),
    }
    reference = {
        "train_loss": [epoch.loss for epoch in recipe.reference],
        "train_accuracy": [epoch.train_accuracy for epoch in recipe.reference],
        "test_accuracy": [epoch.test_accuracy for epoch in recipe.reference],
    }
    epochs = np.arange(1, min(map(len, runs)) + 1)
    last = len(epochs)
    with drawing_style():
        figure = Figure(figsize=(5, 3.5))
        axes = figure.subplots()
        for name, (color, mark, words) in lines.items():
            if name not in runs[0][0].metrics:
                continue
            values = np.array([[epoch.metrics.get(name, np.nan) for epoch in run[: len(epochs)]] for run in runs])
            axes.plot(epochs, values.mean(axis=0), color=color, marker=mark, label=words)
            axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, linewidth=0)
            if reference.get(name):
                reference_epochs = np.arange(1, len(reference[name]) + 1)
                last = max(last, len(reference_epochs))
                axes.plot(
                    reference_epochs, reference[name], color=color, marker=mark, markerfacecolor="none",
                    linestyle="--",
                    label=f"{words}, the book",
                )  # fmt: skip
        margin = min(0.05 * (last - 1) or 0.5, 0.9)
        axes.set_xlim(1 - margin, last + margin)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlabel("epoch")
        axes.set_ylabel("cross-entropy, nats" if metric == "loss" else metric.replace("_", " "))
        figure.legend(loc="outside upper center", ncols=3 if len(axes.lines) > 4 else 2)
        return as_svg(figure)
