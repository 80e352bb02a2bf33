"""Pictures that explain predictions: each image with its Grad-CAM heat map and input gradient."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from jaxcnn.errors import InputError
from jaxcnn.files import write_file
from jaxcnn.insight import grad_cam, input_gradients
from jaxcnn.report.drawing import as_png, drawing_style
from jaxcnn.report.figures.pictures import show_heat_map, show_image
from jaxcnn.runs import TrainedRun
from jaxcnn.words import printable

_BATCH = 64  # images that are explained at once


def write_explanations(
    run: TrainedRun,
    images: UInt8[np.ndarray, "n h w c"],
    probabilities: Float[np.ndarray, "n classes"],
    names: Sequence[str],
    directory: Path,
) -> list[Path]:
    """Write a PNG for each image that explains the most probable class.

    Args:
        run: the run with the network.
        images: (N, H, W, C), as the run takes them.
        probabilities: (N, classes), the predictions for them.
        names: the name of each file, without extension. If some are equal, all are numbered.
        directory: the folder for the files; it is created if it does not exist.

    Returns:
        The files.

    Raises:
        InputError: if a file cannot be written.
    """
    labels = probabilities.argmax(axis=1)
    class_names = run.config.data.class_names
    if len(set(names)) < len(names):
        names = [f"{number}-{name}" for number, name in enumerate(names, start=1)]
    paths = [directory / f"{name}.png" for name in names]
    for start in range(0, len(images), _BATCH):
        batch = slice(start, start + _BATCH)
        options = {"classes": labels[batch], "image_size": run.config.recipe.image_size}
        maps = np.asarray(grad_cam(run.state, images[batch], **options))
        gradients = np.asarray(input_gradients(run.state, images[batch], **options))
        for number, path in enumerate(paths[batch]):
            label = labels[start + number]
            title = f"{printable(class_names[label])} {probabilities[start + number, label]:.3f}"
            try:
                directory.mkdir(parents=True, exist_ok=True)
                write_file(path, draw_explanation(images[start + number], maps[number], gradients[number], title))
            except OSError as error:
                raise InputError(f"{path} cannot be written ({error.strerror}): give another folder") from error
    return paths


def draw_explanation(
    image: UInt8[np.ndarray, "h w c"],
    heat_map: Float[np.ndarray, "h w"],
    gradient: Float[np.ndarray, "h w c"],
    title: str,
) -> bytes:
    """A PNG of an image, the image with its Grad-CAM heat map, and the absolute gradient at each pixel.

    Args:
        image: (H, W, C).
        heat_map: (H, W), in [0, 1].
        gradient: (H, W, C); its largest absolute value over the channels is drawn.
        title: the predicted class and its probability.
    """
    with drawing_style():
        figure = Figure(figsize=(6, 2.3), dpi=150)
        panels = figure.subplots(1, 3)
        for axes, words in zip(panels, (title, "Grad-CAM", "input gradient"), strict=True):
            axes.set_axis_off()
            axes.set_title(textwrap.fill(words, 24), fontsize=9)
        show_image(panels[0], image)
        show_image(panels[1], image)
        show_heat_map(panels[1], heat_map)
        panels[2].imshow(np.abs(gradient).max(axis=2), cmap="magma")
        return as_png(figure)
