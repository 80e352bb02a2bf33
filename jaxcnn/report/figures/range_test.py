"""The figure of a learning rate range test."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatter

from jaxcnn.report.drawing import BLUE, ORANGE, as_png, drawing_style
from jaxcnn.training import RangeTest


def draw_range_test(test: RangeTest, title: str) -> bytes:
    """The smoothed loss by learning rate as a PNG file: the mean of the members, their range, and the suggestion.

    Args:
        test: the test.
        title: what was trained.
    """
    smoothed = test.smoothed
    smoothed = smoothed[:, np.isfinite(smoothed).all(axis=0)]  # up to where the first member diverged
    rates = test.rates[: smoothed.shape[1]]
    mean, lowest = smoothed.mean(axis=0), smoothed.min(axis=0)
    with drawing_style():
        figure = Figure(figsize=(6, 4), dpi=150)
        axes = figure.subplots()
        members = f"the mean of {len(smoothed)} seeds and their range" if len(smoothed) > 1 else "loss"
        axes.plot(rates, mean, color=BLUE, label=members)
        axes.fill_between(rates, lowest, smoothed.max(axis=0), color=BLUE, alpha=0.2, linewidth=0)
        if test.suggestion is not None:
            suggestions = test.suggestions[~np.isnan(test.suggestions)]
            axes.axvspan(suggestions.min(), suggestions.max(), color=ORANGE, alpha=0.15, linewidth=0)
            axes.axvline(test.suggestion, color=ORANGE, linestyle="--", label=f"suggested: {test.suggestion:.2g}")
        bottom, top = lowest.min(), min(smoothed.max(), 1.2 * smoothed[:, 0].max())  # a loss that diverges leaves it
        margin = 0.05 * (top - bottom) or 0.1
        axes.set_ylim(bottom - margin, top + margin)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))  # math is not parsed
        axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))  # for less than a decade
        axes.set_xlabel("learning rate")
        axes.set_ylabel("smoothed cross-entropy, nats")
        axes.set_title(title, fontsize=10)
        figure.legend(loc="outside lower center", ncols=2)
        return as_png(figure)
