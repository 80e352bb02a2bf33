"""The figures of the lessons: how they are shown, and the curves of the book's experiments."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jaxcnn.reproduction import Experiment, compare, merge_results, read_results
from jaxcnn.words import count_of

_RESULTS = Path(__file__).resolve().parents[1] / "results"
_REPRODUCTIONS = ("reproduction-avx512-2-cores.json", "reproduction-avx2-2-cores.json", "reproduction-h200.json")


def show(figure: Figure, name: str) -> None:
    """Show a figure of pyplot. A notebook shows it after the cell; a script saves it in runs/chapter."""
    if "inline" in matplotlib.get_backend():
        return
    path = Path("runs") / "chapter" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"figure: {path}")


def book_experiments() -> list[Experiment]:
    """The book's nine experiments, with the committed runs on all images, from the platform with most runs of each."""
    results = merge_results(read_results(_RESULTS / name) for name in _REPRODUCTIONS)
    return [experiment for experiment in compare(results) if experiment.is_of_the_book]


def draw_experiment(name: str) -> Figure:
    """Draw loss and accuracy by epoch of one of the book's experiments, from the committed runs on all images.

    Args:
        name: the name of the recipe, such as 'resnet'.
    """
    (experiment,) = (experiment for experiment in book_experiments() if experiment.recipe.name == name)
    figure, (loss, accuracy) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    draw_metric(loss, experiment, "train_loss", "tab:blue")
    draw_metric(accuracy, experiment, "train_accuracy", "tab:blue")
    draw_metric(accuracy, experiment, "test_accuracy", "tab:orange")
    for axes, label in ((loss, "cross-entropy, nats"), (accuracy, "accuracy")):
        axes.set(xlabel="epoch", ylabel=label)
        axes.legend()
    return figure


def draw_metric(axes: Axes, experiment: Experiment, metric: str, color: str) -> None:
    """Draw a metric by epoch: the mean over the seeds, the range from minimum to maximum, and the book's, dashed.

    Args:
        axes: where to draw.
        experiment: the runs and the recipe with the book's figures.
        metric: 'train_loss', 'train_accuracy' or 'test_accuracy'.
        color: a color of Matplotlib.
    """
    epochs = np.arange(1, experiment.num_epochs + 1)
    values = np.array([[epoch[metric] for epoch in run["epochs"][: len(epochs)]] for run in experiment.runs])
    reference = [getattr(epoch, "loss" if metric == "train_loss" else metric) for epoch in experiment.recipe.reference]
    split = metric.split("_")[0].replace("train", "training")
    label = f"{split}, {count_of(len(values), 'seed')}"
    axes.plot(epochs, values.mean(axis=0), color=color, marker="o", markersize=4, label=label)
    axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=color, alpha=0.25, linewidth=0)
    axes.plot(epochs, reference[: len(epochs)], color=color, linestyle="--", label="the book")
    axes.set_xticks(epochs)
