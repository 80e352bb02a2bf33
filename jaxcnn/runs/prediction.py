"""What a run's network says of pictures, shown on the terminal or as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jaxcnn.data import find_images, read_image, read_pictures
from jaxcnn.errors import InputError
from jaxcnn.runs.config import DataForm
from jaxcnn.runs.trained import TrainedRun


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
        dark_on_light: whether things are darker than their ground; None to look. Of a network that was trained on
            pictures from files it is None: what it is asked about is read as those were.
        as_json: whether as one JSON object a line: file, classes.

    Raises:
        InputError: if one of the pictures cannot be read, `top` is no number of classes, or a ground is told where none
            is looked for.
    """
    class_names = run.config.data.class_names
    if not 1 <= top <= len(class_names):
        raise InputError(f"the {top} likeliest classes: 1 to {len(class_names)} are there")
    if not paths:
        raise InputError("no pictures: image files, or folders of them, are needed")
    files = [file for path in paths for file in find_images(path)]
    images = _read(files, run.config.data, dark_on_light)
    probabilities = run.predict(images)
    likeliest = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    found = [
        [(class_names[label], float(row[label])) for label in labels]
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


def _read(files: Sequence[Path], form: DataForm, dark_on_light: bool | None) -> np.ndarray:
    """Pictures as images like those of `form`, (N, H, W, C)."""
    size, _, channels = form.image_shape
    if form.source is None or form.source.startswith("idx:"):
        return np.stack([read_image(file, size, dark_on_light=dark_on_light) for file in files])
    if dark_on_light is not None:
        raise InputError("--ground for a network that was trained on pictures as they are: leave it out")
    return read_pictures([(str(file), file) for file in files], size, channels=channels)
