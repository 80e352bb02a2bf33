"""The tables of an evaluation as rows of text, for the terminal and for pages."""

import math
from collections.abc import Sequence

from jaxcnn.runs.evaluation import Evaluation

MAX_CLASSES = 20
"""Tables show all classes up to this number. With more classes, they show the worst ones."""

_NUM_WORST = 10

Rows = list[tuple[str, ...]]


def class_rows(evaluation: Evaluation, class_names: Sequence[str]) -> Rows:
    """A heading, the metrics of each class, and their means. With more than 20 classes, the ten with the lowest F1.

    Examples:
        >>> import numpy as np
        >>> for row in class_rows(Evaluation(np.eye(2)[[0, 1, 1]], np.array([0, 0, 1])), ["cat", "dog"]):
        ...     print(*row)
        class precision recall F1 images
        cat 1.000 0.500 0.667 2
        dog 0.500 1.000 0.667 1
        mean 0.750 0.750 0.667 3
    """
    metrics, counts = evaluation.class_metrics, evaluation.confusion.sum(axis=1)
    num_classes = len(class_names)
    shown = range(num_classes) if num_classes <= MAX_CLASSES else evaluation.worst_classes(_NUM_WORST)
    rows: Rows = [("class", "precision", "recall", "F1", "images")]
    for label in shown:
        cells = [_cell(metrics[name][label]) for name in ("precision", "recall", "f1")]
        rows.append((class_names[label], *cells, f"{counts[label]:,}"))
    means = [_cell(evaluation.macro_metrics[name]) for name in ("precision", "recall", "f1")]
    mean = "mean" if num_classes <= MAX_CLASSES else f"mean of all {num_classes} classes"
    return [*rows, (mean, *means, f"{counts.sum():,}")]


def class_title(num_classes: int) -> str:
    """The title of `class_rows`."""
    if num_classes <= MAX_CLASSES:
        return "metrics of each class"
    return f"the {_NUM_WORST} of {num_classes} classes with the lowest F1"


def pair_rows(evaluation: Evaluation, class_names: Sequence[str]) -> Rows:
    """A heading, and the ten pairs of classes that are confused most often; no rows if there are no mistakes."""
    rows: Rows = [
        (class_names[true], class_names[predicted], f"{count:,}")
        for true, predicted, count in evaluation.worst_pairs(_NUM_WORST)
    ]
    return [("true class", "predicted class", "images"), *rows] if rows else []


def _cell(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
