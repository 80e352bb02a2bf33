"""The figures of the lessons: how they are shown, and the curves of the book's experiments."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from jaxcnn.reproduction import compare, merge_results, read_results

_RESULTS = Path(__file__).resolve().parents[1] / "results"
_MACHINES = ("reproduction-avx512-2-cores.json", "reproduction-h200.json")


def show(figure: Figure, name: str) -> None:
    """Show a figure of pyplot. A notebook shows it after the cell; a script saves it in runs/chapter."""
    if "inline" in matplotlib.get_backend():
        return
    path = Path("runs") / "chapter" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    print(f"figure: {path}")


def draw_experiment(name: str) -> Figure:
    """Draw loss and accuracy by epoch of one of the book's experiments, from the committed runs on all images.

    Solid: the mean over the seeds, with the range from minimum to maximum. Dashed: the book.

    Args:
        name: the name of the recipe, such as 'resnet'.
    """
    results = merge_results(read_results(_RESULTS / file) for file in _MACHINES)
    (experiment,) = (experiment for experiment in compare(results) if experiment.recipe.name == name)
    reference = experiment.recipe.reference
    epochs = np.arange(1, experiment.num_epochs + 1)
    figure, (loss, accuracy) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axes, metric, label, color, of_the_book in [
        (loss, "train_loss", "training", "tab:blue", [epoch.loss for epoch in reference]),
        (accuracy, "train_accuracy", "training", "tab:blue", [epoch.train_accuracy for epoch in reference]),
        (accuracy, "test_accuracy", "test", "tab:orange", [epoch.test_accuracy for epoch in reference]),
    ]:
        values = np.array([[epoch[metric] for epoch in run["epochs"][: len(epochs)]] for run in experiment.runs])
        axes.plot(epochs, values.mean(axis=0), color=color, marker="o", label=f"{label}, {len(values)} runs")
        axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, linewidth=0)
        axes.plot(range(1, len(reference) + 1), of_the_book, color=color, linestyle="--", label=f"{label}, the book")
    for axes, label in ((loss, "cross-entropy, nats"), (accuracy, "accuracy")):
        axes.set(xlabel="epoch", ylabel=label, xticks=range(1, len(reference) + 1))
        axes.legend()
    return figure
