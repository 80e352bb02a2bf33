"""Predictions for image files, as a table or as JSON."""

import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from jaxcnn.data import read_image, read_pictures
from jaxcnn.data.image_files import read_each
from jaxcnn.data.image_search import search_images
from jaxcnn.errors import ImageError, InputError
from jaxcnn.files import check_new_folder
from jaxcnn.runs import Ensemble, TrainedRun
from jaxcnn.runs.config import DataSpec
from jaxcnn.words import count_of
from jaxcnn.writers import say, show_table


def show_predictions(
    run: TrainedRun | Ensemble,
    paths: Sequence[Path],
    console: Console,
    *,
    top: int | None = None,
    dark_on_light: bool | None = None,
    as_json: bool = False,
    explain: Path | None = None,
) -> None:
    """Show the most probable classes of each image with their probabilities.

    Args:
        run: the run with the network, or an ensemble.
        paths: image files, and folders of them.
        console: where to print.
        top: number of classes to show for each image; None for three, or all if there are fewer.
        dark_on_light: whether the images are dark on a light background; None infers it. It must be None for a network
            that was trained on image files, because all images are then read as they are.
        as_json: whether to print one JSON object a line: file, classes.
        explain: a new folder for pictures that explain the most probable class of each image; None for no pictures.

    Raises:
        ImageError: if images cannot be read. It names all of them, and is raised after the predictions for the others
            are printed.
        InputError: if `top` is not a number of classes, `dark_on_light` is given for a network that was trained on
            image files, or `explain` is given for an ensemble or is not a new folder.
    """
    class_names = run.config.data.class_names
    top = min(3, len(class_names)) if top is None else top
    if not 1 <= top <= len(class_names):
        raise InputError(f"--top {top}: expected 1 to {len(class_names)}, the number of classes")
    if explain is not None:
        if not isinstance(run, TrainedRun):
            raise InputError(f"--explain {explain}: expected the directory of one run, not of several")
        check_new_folder(explain)
    if not paths:
        raise InputError("no images given: expected image files, or folders of them")
    files: list[Path] = []
    faults: dict[str, str] = {}
    left_out = {}
    for path in paths:
        try:
            found = search_images(path)
        except ImageError as error:
            faults |= error.faults
        else:
            files += found.images
            left_out[path] = found.left_out
    images = None
    while files and images is None:
        try:
            images = _read(files, run.config.data, dark_on_light)
        except ImageError as error:
            faults |= error.faults
            files = [file for file in files if str(file) not in faults]
    if images is not None:
        probabilities = run.predict(images)
        _show(files, probabilities, run, console, top=top, as_json=as_json)
        if explain is not None and isinstance(run, TrainedRun):
            from jaxcnn.report import write_explanations  # here, because matplotlib imports slowly

            written = write_explanations(run, images, probabilities, [file.stem for file in files], explain)
            if not as_json:
                say(console, f"wrote {count_of(len(written), 'picture')} to {explain}")
        for path, others in left_out.items():
            others.log(path)
    if faults:
        raise ImageError(faults)


def _show(
    files: Sequence[Path],
    probabilities: np.ndarray,
    run: TrainedRun | Ensemble,
    console: Console,
    *,
    top: int,
    as_json: bool,
) -> None:
    class_names = run.config.data.class_names
    most_probable = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    found = [
        [(class_names[label], float(row[label])) for label in labels]
        for row, labels in zip(probabilities, most_probable, strict=True)
    ]
    if as_json:
        for file, classes in zip(files, found, strict=True):
            known = {name: share if math.isfinite(share) else None for name, share in classes}
            say(console, json.dumps({"file": str(file), "classes": known}, allow_nan=False))
        return
    table = Table(title=run.title, box=None)
    table.add_column("image")
    for number in range(1, top + 1):
        table.add_column(f"top {number}")
    for file, classes in zip(files, found, strict=True):
        table.add_row(str(file), *(f"{name} {probability:.3f}" for name, probability in classes))
    show_table(console, table)


def _read(files: Sequence[Path], spec: DataSpec, dark_on_light: bool | None) -> np.ndarray:
    """The images in `files` as those of `spec`, (N, H, W, C)."""
    size, width, channels = spec.image_shape
    if size != width or channels not in (1, 3):
        raise InputError(
            f"the run was trained on images of {size}x{width} with {channels} channels, and image files are read as "
            "square gray or RGB images: use TrainedRun.predict in a script"
        )
    if spec.light_on_dark:
        return np.stack(list(read_each(partial(read_image, size=size, dark_on_light=dark_on_light), files)))
    if dark_on_light is not None:
        raise InputError("--background: the network was trained on image files as they are; leave it out")
    return read_pictures([(str(file), file) for file in files], size, channels=channels)
