"""The parameters of a network."""

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from jaxcnn.report.drawing import BLUE, INK, ORANGE, as_svg, drawing_style
from jaxcnn.report.figures.pictures import COLOR, grid


def draw_kernels(kernel: Float[np.ndarray, "h w c_in c_out"], *, max_kernels: int = 32) -> str:
    """The kernels of a layer, all with the same scale around zero.

    Kernels with 3 or 4 input channels are drawn as RGB from the first three, with zero in gray. Of other kernels, only
    the first input channel is drawn.
    """
    shown = kernel[:, :, :3] if kernel.shape[2] in COLOR else kernel[:, :, 0]
    shown = np.moveaxis(shown[..., :max_kernels], -1, 0)
    columns = min(len(shown), 8)
    rows = -(-len(shown) // columns)
    largest = float(np.abs(shown).max()) or 1.0
    with drawing_style():
        figure = Figure(figsize=(5, 0.4 + 5 / columns * rows))
        colors, norm = "RdBu_r", Normalize(-largest, largest)
        axes_of_kernels = grid(figure, rows, columns, len(shown))
        for axes, weights in zip(axes_of_kernels, shown, strict=True):
            axes.imshow(norm(weights) if weights.ndim == 3 else weights, cmap=colors, norm=norm)
        if shown.ndim == 3:
            figure.colorbar(
                ScalarMappable(norm, colors), ax=axes_of_kernels, location="bottom", fraction=0.08, pad=0.04,
                label="weight",
            )  # fmt: skip
        return as_svg(figure)


def draw_norm(gamma: Float[np.ndarray, " c"], beta: Float[np.ndarray, " c"]) -> str:
    """Scale and shift of a batch norm, channel by channel."""
    channels = np.arange(1, len(gamma) + 1)
    with drawing_style():
        figure = Figure(figsize=(5, 3))
        axes = figure.subplots()
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.bar(channels - 0.2, gamma, 0.4, color=BLUE, label="gamma")
        axes.bar(channels + 0.2, beta, 0.4, color=ORANGE, hatch="//", edgecolor="white", label="beta")
        axes.set_xlabel("channel")
        axes.set_ylabel("value")
        axes.set_xticks(channels)
        figure.legend(loc="outside upper center", ncols=2)
        return as_svg(figure)
