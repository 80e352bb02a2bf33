"""The predictions of a network: its confusion matrix and its reliability diagram."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from jaxcnn.report.drawing import BLUE, INK, ORANGE, as_svg, drawing_style, shorten
from jaxcnn.runs import MAX_CLASSES, Reliability

_DARK_CELL = 0.8  # share from which white is easier to read than black


def draw_confusion(confusion: Int[np.ndarray, "classes classes"], class_names: Sequence[str]) -> str:
    """Number of images for each pair of true class (row) and predicted class (column).

    With more than 20 classes, the axes show class numbers, counted from 0, and the cells have no text.
    """
    is_labeled = len(class_names) <= MAX_CLASSES
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    cells = np.empty((*shares.shape, 4))
    cells[..., :3], cells[..., 3] = to_rgb(BLUE), shares
    with drawing_style({"axes.grid": False, "axes.spines.left": False, "axes.spines.bottom": False}):
        side = max(5.0, 1.5 + 0.37 * len(class_names)) if is_labeled else 5.0
        figure = Figure(figsize=(side, 0.95 * side))
        axes = figure.subplots()
        axes.imshow(cells, interpolation="nearest")
        if is_labeled:
            for (row, column), count in np.ndenumerate(confusion):
                if count:
                    color = "white" if shares[row, column] > _DARK_CELL else INK
                    axes.text(column, row, str(count), ha="center", va="center", fontsize=7.5, color=color)
            names = [shorten(name) for name in class_names]
            axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
            axes.set_yticks(range(len(names)), names)
        else:
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_locator(MaxNLocator(8, integer=True))
        number = "" if is_labeled else ", by number"
        axes.set_xlabel(f"predicted class{number}")
        axes.set_ylabel(f"true class{number}")
        return as_svg(figure)


def draw_reliability(reliability: Reliability) -> str:
    """Accuracy by confidence, with the diagonal on which they are equal, and the number of images of each interval."""
    counts, confidence, accuracy = reliability
    edges = np.linspace(0, 1, len(counts) + 1)
    known = counts > 0
    with drawing_style():
        figure = Figure(figsize=(5, 4.2))
        above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        above.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1, label="accuracy equals confidence")
        above.plot(confidence[known], accuracy[known], color=ORANGE, marker="s", label="the network")
        above.set_ylabel("accuracy")
        above.set_ylim(-0.02, 1.02)
        below.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BLUE, edgecolor="none")
        below.set_ylabel("images")
        below.set_xlabel("confidence, the probability of the predicted class")
        below.set_xlim(-0.02, 1.02)
        below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        figure.legend(loc="outside upper center", ncols=2)
        return as_svg(figure)
