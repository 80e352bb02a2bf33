"""The figures of a report, as SVG files, and that of a range test.

The colors are those of Okabe and Ito, which are distinct for all kinds of color vision. Line styles, markers and labels
give the same information, so a print in gray can be read too.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatter, MaxNLocator

from jaxcnn.recipes import Recipe
from jaxcnn.report.drawing import as_png, as_svg, drawing_style
from jaxcnn.training import EpochResult, RangeTest

COLOR = (3, 4)
"""Numbers of channels of images that are drawn as RGB or RGBA."""

_BLUE, _GREEN, _ORANGE, _BLACK = "#0072B2", "#009E73", "#D55E00", "#000000"
_STYLE: dict[Any, Any] = {
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "legend.frameon": False, "figure.constrained_layout.use": True,
}  # fmt: skip


def draw_curves(recipe: Recipe, runs: Sequence[Sequence[EpochResult]], *, metric: str) -> str:
    """A metric by epoch: the mean of the runs with the range from minimum to maximum, and the book's figures.

    Args:
        recipe: its reference is drawn dashed, if it has one.
        runs: the results of the epochs of each run.
        metric: its name, such as 'loss' or 'accuracy'.
    """
    lines = {
        f"train_{metric}": (_BLUE, "o", "training"),
        f"val_{metric}": (_GREEN, "^", "validation"),
        f"test_{metric}": (_ORANGE, "s", "test"),
    }
    reference = {
        "train_loss": [epoch.loss for epoch in recipe.reference],
        "train_accuracy": [epoch.train_accuracy for epoch in recipe.reference],
        "test_accuracy": [epoch.test_accuracy for epoch in recipe.reference],
    }
    epochs = np.arange(1, min(map(len, runs)) + 1)
    with drawing_style(_STYLE):
        figure = Figure(figsize=(5, 3.4))
        axes = figure.subplots()
        for name, (color, mark, words) in lines.items():
            if name not in runs[0][0].metrics:
                continue
            values = np.array([[epoch.metrics.get(name, np.nan) for epoch in run[: len(epochs)]] for run in runs])
            axes.plot(epochs, values.mean(axis=0), color=color, marker=mark, label=words)
            axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, linewidth=0)
            if reference.get(name):
                reference_epochs = np.arange(1, len(reference[name]) + 1)
                axes.plot(
                    reference_epochs, reference[name], color=color, marker=mark, markerfacecolor="white",
                    linestyle="--",
                    label=f"{words}, the book",
                )  # fmt: skip
        axes.set_xlabel("epoch")
        axes.set_ylabel("cross-entropy, nats" if metric == "loss" else metric.replace("_", " "))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend()
        return as_svg(figure)


def draw_confusion(confusion: Int[np.ndarray, "classes classes"], class_names: Sequence[str]) -> str:
    """Number of images for each pair of true class (row) and predicted class (column)."""
    with drawing_style({**_STYLE, "axes.grid": False, "axes.spines.left": False, "axes.spines.bottom": False}):
        side = max(6.0, 2 + 0.4 * len(class_names))
        figure = Figure(figsize=(side, 0.9 * side))
        axes = figure.subplots()
        shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(confusion):
            if count:
                dark = shares[row, column] > 0.5
                axes.text(
                    column, row, str(count), ha="center", va="center", fontsize=8, color="white" if dark else _BLACK
                )
        places = range(len(class_names))
        axes.set_xticks(places, class_names, rotation=45, ha="right")
        axes.set_yticks(places, class_names)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        return as_svg(figure)


def draw_pictures(images: UInt8[np.ndarray, "n h w c"], titles: Sequence[str], *, columns: int = 4) -> str:
    """Images in rows, each with a title."""
    rows = -(-len(images) // columns)
    with drawing_style(_STYLE):
        figure = Figure(figsize=(6, 1.9 * rows))
        for axes, image, title in zip(_grid(figure, rows, columns, len(images)), images, titles, strict=True):
            _show(axes, image)
            axes.set_title("\n".join(textwrap.fill(line, 22) for line in title.splitlines()), fontsize=8)
        return as_svg(figure)


def draw_kernels(kernel: Float[np.ndarray, "h w c_in c_out"], *, max_kernels: int = 32) -> str:
    """The kernels of a layer, all with the same scale around zero.

    Kernels with 3 or 4 input channels are drawn as RGB from the first three, with zero in gray. Of other kernels, only
    the first input channel is drawn.
    """
    shown = kernel[:, :, :3] if kernel.shape[2] in COLOR else kernel[:, :, 0]
    shown = np.moveaxis(shown[..., :max_kernels], -1, 0)
    columns = min(len(shown), 8)
    rows = -(-len(shown) // columns)
    largest = float(np.abs(shown).max()) or 1.0
    with drawing_style(_STYLE):
        figure = Figure(figsize=(6, 0.4 + 6 / columns * rows))
        colors, norm = "RdBu_r", Normalize(-largest, largest)
        grid = _grid(figure, rows, columns, len(shown))
        for axes, weights in zip(grid, shown, strict=True):
            axes.imshow(norm(weights) if weights.ndim == 3 else weights, cmap=colors, norm=norm)
        if shown.ndim == 3:
            figure.colorbar(
                ScalarMappable(norm, colors), ax=grid, location="bottom", fraction=0.08, pad=0.04, label="weight"
            )
        return as_svg(figure)


def draw_feature_maps(
    image: UInt8[np.ndarray, "h w c"], maps: Sequence[tuple[str, Float[np.ndarray, "_ _ _"]]], *, channels: int = 8
) -> str:
    """An image, and below it the first channels of the output of each layer, one row a layer."""
    with drawing_style(_STYLE):
        figure = Figure(figsize=(6, 0.95 * (len(maps) + 1)))
        table = figure.subplots(len(maps) + 1, channels, squeeze=False)
        for axes in table.flat:
            axes.set_axis_off()
        _show(table[0, 0], image)
        table[0, 0].set_title("image", fontsize=8, loc="left")
        for row, (name, activation) in zip(table[1:], maps, strict=True):
            height, width, count = activation.shape
            row[0].set_title(f"{name}, {height}x{width}x{count}", fontsize=8, loc="left")
            for axes, channel in zip(row, np.moveaxis(activation, -1, 0), strict=False):
                axes.imshow(channel, cmap="viridis")
        return as_svg(figure)


def draw_norm(gamma: Float[np.ndarray, " c"], beta: Float[np.ndarray, " c"]) -> str:
    """Scale and shift of a batch norm, channel by channel."""
    channels = np.arange(1, len(gamma) + 1)
    with drawing_style(_STYLE):
        figure = Figure(figsize=(5, 3))
        axes = figure.subplots()
        axes.axhline(0, color=_BLACK, linewidth=0.8)
        axes.bar(channels - 0.2, gamma, 0.4, color=_BLUE, label="gamma")
        axes.bar(channels + 0.2, beta, 0.4, color=_ORANGE, hatch="//", edgecolor="white", label="beta")
        axes.set_xlabel("channel")
        axes.set_ylabel("value")
        axes.set_xticks(channels)
        axes.legend()
        return as_svg(figure)


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
    with drawing_style(_STYLE):
        figure = Figure(figsize=(6, 4), dpi=150)
        axes = figure.subplots()
        members = f"the mean of {len(smoothed)} seeds and their range" if len(smoothed) > 1 else "loss"
        axes.plot(rates, mean, color=_BLUE, label=members)
        axes.fill_between(rates, lowest, smoothed.max(axis=0), color=_BLUE, alpha=0.2, linewidth=0)
        if test.suggestion is not None:
            suggestions = test.suggestions[~np.isnan(test.suggestions)]
            axes.axvspan(suggestions.min(), suggestions.max(), color=_ORANGE, alpha=0.15, linewidth=0)
            axes.axvline(test.suggestion, color=_ORANGE, linestyle="--", label=f"suggested: {test.suggestion:.2g}")
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


def _show(axes: Axes, image: UInt8[np.ndarray, "h w c"]) -> None:
    """Draw an image: three or four channels as RGB or RGBA, others as their mean in gray."""
    axes.imshow(image if image.shape[2] in COLOR else image.mean(axis=2), cmap="gray", vmin=0, vmax=255)


def _grid(figure: Figure, rows: int, columns: int, count: int) -> list[Axes]:
    """The first `count` axes of a grid, without ticks."""
    table = figure.subplots(rows, columns, squeeze=False)
    for axes in table.flat:
        axes.set_axis_off()
    return list(table.flat[:count])
