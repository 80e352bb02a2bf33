"""Draw the figures of docs/explanation: the losses that date the book's runs, and the matrix of a convolution.

python experiments/draw_explanations.py
"""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from jaxcnn.recipes import RECIPES
from jaxcnn.report.drawing import BLUE, INK, ORANGE, as_png, drawing_style

RESULTS = Path(__file__).parent / "results"
IMAGES = Path(__file__).parents[1] / "docs" / "images"


def losses_by_scale() -> dict[str, np.ndarray]:
    """The training loss of each seed and epoch of lenet_bn, (seeds, epochs), for both initial scales."""
    runs = json.loads((RESULTS / "reproduction-avx512-2-cores.json").read_text())["runs"]
    uniform = [[epoch["train_loss"] for epoch in run["epochs"]] for run in runs if run["recipe"] == "lenet_bn"]
    compared = json.loads((RESULTS / "batch-norm-scales-avx512-2-cores.json").read_text())["losses"]["lenet_bn"]
    one = list(compared["gamma 1"].values())
    return {"gamma from U(0, 1)": np.array(uniform), "gamma 1": np.array(one)}


def draw_losses() -> Figure:
    """The range of the training loss of lenet_bn over the seeds, divided by the book's."""
    book = np.array([epoch.loss for epoch in RECIPES["lenet_bn"].reference])
    epochs = np.arange(1, len(book) + 1)
    figure = Figure(figsize=(6, 3), dpi=130)
    axes = figure.subplots()
    axes.axhline(1, color=INK, linestyle="--", linewidth=1, label="the book")
    for (name, losses), color, marker in zip(losses_by_scale().items(), (BLUE, ORANGE), "os", strict=True):
        ratios = losses / book
        axes.fill_between(epochs, ratios.min(axis=0), ratios.max(axis=0), color=color, alpha=0.25, linewidth=0)
        label = f"{name}, mean and range of {len(losses)} seeds"
        axes.plot(epochs, ratios.mean(axis=0), color=color, marker=marker, markersize=4, label=label)
    axes.set_xticks(epochs)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss / the book's")
    axes.legend(loc="lower right")
    return figure


def draw_columns(width: int = 3, columns: int = 4, features: int = 2) -> Figure:
    """The matrix of one row of a kernel with one input channel, for one output column and for several."""
    figure = Figure(figsize=(6, 2.6), dpi=130)
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": [features, columns * features]})
    for axes, count in ((left, 1), (right, columns)):
        matrix = np.zeros((count + width - 1, count * features))
        for column in range(count):
            matrix[column : column + width, column * features : (column + 1) * features] = 1
        axes.grid(visible=False)
        axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1.6)
        axes.set_xticks(np.arange(matrix.shape[1] + 1) - 0.5, [""] * (matrix.shape[1] + 1))
        axes.set_yticks(np.arange(matrix.shape[0] + 1) - 0.5, [""] * (matrix.shape[0] + 1))
        axes.tick_params(length=0)
        axes.grid(visible=True, color=INK, alpha=0.25, linewidth=0.5)
        axes.set_title("one output" if count == 1 else f"{count} neighboring outputs", fontsize=10)
        axes.set_xlabel("channels" if count == 1 else "outputs and their channels")
        axes.set_ylabel("pixels read")
    return figure


def main() -> None:
    """Write both pictures."""
    for name, draw in {"dating-the-runs": draw_losses, "convolution-columns": draw_columns}.items():
        with drawing_style():
            (IMAGES / f"{name}.png").write_bytes(as_png(draw()))
        print(f"wrote docs/images/{name}.png")


if __name__ == "__main__":
    main()
