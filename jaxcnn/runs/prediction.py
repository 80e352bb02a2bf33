"""What a run's network says of pictures, shown on the terminal or as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jaxcnn.data import find_images, read_image
from jaxcnn.errors import InputError
from jaxcnn.runs.trained import CLASS_NAMES, TrainedRun


def predict_files(
    run: TrainedRun,
    paths: Sequence[Path],
    console: Console,
    *,
    top: int = 3,
    dark_on_light: bool | None = None,
    as_json: bool = False,
) -> None:
    """Show the likeliest classes of each picture with their probabilities.

    Args:
        run: whose network to ask.
        paths: image files, and folders of them.
        console: where to show it.
        top: how many classes to show of each.
        dark_on_light: whether things are darker than their ground; None to look.
        as_json: whether as one JSON object a line: file, classes.

    Raises:
        InputError: if one of the pictures cannot be read, or `top` is no number of classes.
    """
    if not 1 <= top <= len(CLASS_NAMES):
        raise InputError(f"the {top} likeliest classes: 1 to {len(CLASS_NAMES)} are there")
    if not paths:
        raise InputError("no pictures: image files, or folders of them, are needed")
    files = [file for path in paths for file in find_images(path)]
    images = np.stack([read_image(file, dark_on_light=dark_on_light) for file in files])
    probabilities = run.predict(images)
    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    found = [
        [(CLASS_NAMES[label], float(row[label])) for label in labels]
        for row, labels in zip(probabilities, likeliest, strict=True)
    ]
    if as_json:
        for file, classes in zip(files, found, strict=True):
            console.print_json(json.dumps({"file": str(file), "classes": dict(classes)}), indent=None)
        return
    table = Table(title=f"{run.config.recipe.title} after {len(run.epochs)} epochs", box=None)
    table.add_column("picture", overflow="fold")
    for number in range(1, top + 1):
        table.add_column("likeliest" if number == 1 else f"{number}.")
    for file, classes in zip(files, found, strict=True):
        table.add_row(escape(str(file)), *(f"{name} {probability:.3f}" for name, probability in classes))
    console.print(table)
