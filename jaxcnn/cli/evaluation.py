"""The evaluation of a run as text or as JSON."""

import json
from collections.abc import Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from jaxcnn.runs import Evaluation, Split, TrainedRun
from jaxcnn.words import count_of
from jaxcnn.writers import say, show_table

_MAX_CLASSES = 20  # with more, the worst ones are shown
_WORST = 10
_SPLITS = {"train": "training", "val": "validation", "test": "test"}


def show_evaluation(
    title: str, evaluation: Evaluation, class_names: Sequence[str], console: Console, *, split: Split = "test"
) -> None:
    """Print accuracy, loss and calibration error, the metrics of each class, and the most frequent confusions.

    With more than 20 classes, the ten with the lowest F1 are shown.
    """
    images = count_of(len(evaluation.labels), f"{_SPLITS[split]} image")
    say(
        console,
        f"{title}, on {images}: accuracy {evaluation.accuracy:.4f}, loss {evaluation.loss:.4f}, "
        f"calibration error {evaluation.calibration_error():.4f}",
        wrap=True,
    )
    show_table(console, _class_table(evaluation, class_names))
    if pairs := evaluation.worst_pairs(_WORST):
        table = _table("most frequent confusions", "true class", "predicted class", "images")
        for true, predicted, count in pairs:
            table.add_row(class_names[true], class_names[predicted], f"{count:,}")
        show_table(console, table)


def print_evaluation(
    run: TrainedRun, evaluation: Evaluation, class_names: Sequence[str], console: Console, *, split: Split
) -> None:
    """Print a JSON object: the run, the number of its epochs, the split, and all figures of that split."""
    figures = {"run": str(run.path), "recipe": run.config.recipe.name, "epoch": len(run.epochs), "split": split}
    say(console, json.dumps(figures | evaluation.as_json(class_names), allow_nan=False))


def _class_table(evaluation: Evaluation, class_names: Sequence[str]) -> Table:
    metrics, counts = evaluation.class_metrics, evaluation.confusion.sum(axis=1)
    title, shown = "metrics of each class", list(range(len(class_names)))
    if len(shown) > _MAX_CLASSES:
        shown = evaluation.worst_classes(_WORST)
        title = f"the {len(shown)} of {len(class_names)} classes with the lowest F1"
    table = _table(title, "class", *map(_heading, metrics), "images")
    for label in shown:
        cells = [_cell(values[label]) for values in metrics.values()]
        table.add_row(class_names[label], *cells, f"{counts[label]:,}")
    table.add_section()
    table.add_row("mean of all classes", *map(_cell, evaluation.macro_metrics.values()), f"{counts.sum():,}")
    return table


def _heading(metric: str) -> str:
    return "F1" if metric == "f1" else metric


def _cell(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if "class" in heading else "right")
    return table
