"""The evaluation of a run as text."""

from collections.abc import Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from jaxcnn.runs import Evaluation
from jaxcnn.words import count_of
from jaxcnn.writers import say, show_table

_CONFUSIONS = 10
_SPLITS = {"train": "training", "val": "validation", "test": "test"}


def show_evaluation(
    title: str, evaluation: Evaluation, class_names: Sequence[str], console: Console, *, split: str = "test"
) -> None:
    """Print accuracy, loss and calibration error, the accuracy of each class, and the most frequent confusions."""
    images = count_of(len(evaluation.labels), f"{_SPLITS[split]} image")
    say(
        console,
        f"{title}, on {images}: accuracy {evaluation.accuracy:.4f}, loss {evaluation.loss:.4f}, "
        f"calibration error {evaluation.calibration_error():.4f}",
        wrap=True,
    )
    table = _table("accuracy of each class", "class", "accuracy", "images")
    counts = evaluation.confusion.sum(axis=1)
    for name, accuracy, count in zip(class_names, evaluation.class_accuracies, counts, strict=True):
        table.add_row(name, f"{accuracy:.3f}" if count else "-", f"{count:,}")
    show_table(console, table)
    mistakes = evaluation.confusion * (1 - np.eye(len(class_names), dtype=int))
    table = _table("most frequent confusions", "true class", "predicted class", "images")
    for place in np.argsort(-mistakes, axis=None, kind="stable")[:_CONFUSIONS]:
        row, column = divmod(int(place), len(class_names))
        if mistakes[row, column]:
            table.add_row(class_names[row], class_names[column], f"{mistakes[row, column]:,}")
    if table.row_count:
        show_table(console, table)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if "class" in heading else "right")
    return table
