"""The evaluation of a run as text or as JSON."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from jaxcnn.runs import Ensemble, Evaluation, Split, TrainedRun, class_rows, class_title, pair_rows
from jaxcnn.words import count_of
from jaxcnn.writers import make_table, say, show_table

_SPLITS = {"train": "training", "val": "validation", "test": "test"}


def show_evaluation(
    title: str, evaluation: Evaluation, class_names: Sequence[str], console: Console, *, split: Split = "test"
) -> None:
    """Print accuracy, loss and calibration error, the metrics of each class, and the most frequent confusions.

    With more than 20 classes, only the ten with the lowest F1 are shown.
    """
    images = count_of(len(evaluation.labels), f"{_SPLITS[split]} image")
    say(
        console,
        f"{title}, on {images}: accuracy {evaluation.accuracy:.4f}, loss {evaluation.loss:.4f}, "
        f"calibration error {evaluation.calibration_error():.4f}",
        wrap=True,
    )
    headings, *classes, mean = class_rows(evaluation, class_names)
    table = _table(class_title(len(class_names)), headings, classes)
    table.add_section()
    table.add_row(*mean)
    show_table(console, table)
    if pairs := pair_rows(evaluation, class_names):
        show_table(console, _table("most frequent confusions", pairs[0], pairs[1:]))


def print_evaluation(
    trained: TrainedRun | Ensemble,
    evaluation: Evaluation,
    class_names: Sequence[str],
    console: Console,
    *,
    split: Split,
) -> None:
    """Print a JSON object: what was evaluated, the split, and all metrics of that split."""
    about = {
        "title": trained.title,
        "runs": [
            {"path": str(run.path), "recipe": run.config.recipe.name, "epoch": len(run.epochs)}
            for run in trained.members
        ],
        "views": None if trained.members[0].views is None else str(trained.members[0].views),
        "split": split,
    }
    say(console, json.dumps(about | evaluation.as_json(class_names), allow_nan=False))


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = make_table(title, headings, left=[heading for heading in headings if "class" in heading])
    for row in rows:
        table.add_row(*row)
    return table
