"""Images, and the outputs of layers for an image."""

import textwrap
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcnn.report.drawing import as_svg, drawing_style

COLOR = (3, 4)
"""Numbers of channels of images that are drawn as RGB or RGBA."""


def draw_pictures(
    images: UInt8[np.ndarray, "n h w c"],
    titles: Sequence[str],
    *,
    heat_maps: Float[np.ndarray, "n h w"] | None = None,
    columns: int = 4,
) -> str:
    """Images in rows, each with a title, and overlaid with its heat map if there are heat maps."""
    rows = -(-len(images) // columns)
    width = 70 // columns
    wrapped = ["\n".join(textwrap.fill(line, width) for line in title.splitlines()) for title in titles]
    lines = max(1 + title.count("\n") for title in wrapped)
    with drawing_style():
        figure = Figure(figsize=(5, (4.6 / columns + 0.17 * lines) * rows))
        places = grid(figure, rows, columns, len(images))
        for number, (axes, image, title) in enumerate(zip(places, images, wrapped, strict=True)):
            show_image(axes, image)
            if heat_maps is not None:
                show_heat_map(axes, heat_maps[number])
            axes.set_title(title, fontsize=8)
        return as_svg(figure)


def draw_feature_maps(
    image: UInt8[np.ndarray, "h w c"], maps: Sequence[tuple[str, Float[np.ndarray, "_ _ _"]]], *, channels: int = 8
) -> str:
    """An image, and below it the first channels of the output of each layer, one row a layer."""
    with drawing_style():
        figure = Figure(figsize=(5, 0.85 * (len(maps) + 1)))
        table = figure.subplots(len(maps) + 1, channels, squeeze=False)
        for axes in table.flat:
            axes.set_axis_off()
        show_image(table[0, 0], image)
        table[0, 0].set_title("image", fontsize=8, loc="left")
        for row, (name, activation) in zip(table[1:], maps, strict=True):
            height, width, count = activation.shape
            row[0].set_title(f"{name}, {height}x{width}x{count}", fontsize=8, loc="left")
            for axes, channel in zip(row, np.moveaxis(activation, -1, 0), strict=False):
                axes.imshow(channel, cmap="viridis")
        return as_svg(figure)


def grid(figure: Figure, rows: int, columns: int, count: int) -> list[Axes]:
    """The first `count` axes of a grid, without ticks."""
    table = figure.subplots(rows, columns, squeeze=False)
    for axes in table.flat:
        axes.set_axis_off()
    return list(table.flat[:count])


def show_image(axes: Axes, image: UInt8[np.ndarray, "h w c"]) -> None:
    """Draw an image: three or four channels as RGB or RGBA, others as their mean in gray."""
    axes.imshow(image if image.shape[2] in COLOR else image.mean(axis=2), cmap="gray", vmin=0, vmax=255)


def show_heat_map(axes: Axes, heat_map: Float[np.ndarray, "h w"]) -> None:
    """Draw a map with values in [0, 1] over an image, less transparent where it is higher."""
    axes.imshow(heat_map, cmap="inferno", vmin=0, vmax=1, alpha=0.3 + 0.5 * heat_map)
