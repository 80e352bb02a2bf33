"""How good a run's network is: by class, by confidence, by what it takes for what."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer
from rich.console import Console
from rich.table import Table

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.runs.trained import TrainedRun

_AT_ONCE = 256  # images


@dataclass(frozen=True)
class Evaluation:
    """The test set as a network sees it.

    Attributes:
        probabilities: (N, classes), of each class for each image.
        labels: (N,), the true classes.
    """

    probabilities: Float[np.ndarray, "n classes"]
    labels: Integer[np.ndarray, " n"]

    @property
    def predicted(self) -> Int[np.ndarray, " n"]:
        """The likeliest class of each image."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """Share of the images whose likeliest class is the true one."""
        return float((self.predicted == self.labels).mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        of_truth = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).mean())

    @property
    def confusion(self) -> Int[np.ndarray, "classes classes"]:
        """How many images of class i (row) were taken for class j (column).

        Examples:
            >>> labels = np.array([0, 0, 1])
            >>> Evaluation(np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]), labels).confusion.tolist()
            [[1, 1], [0, 1]]
        """
        classes = self.probabilities.shape[1]
        return np.bincount(self.labels.astype(int) * classes + self.predicted, minlength=classes**2).reshape(
            classes, classes
        )

    def calibration_error(self, bins: int = 15) -> float:
        """Expected calibration error: the mean distance of accuracy and confidence.

            sum_b (n_b / n) |accuracy_b - confidence_b|

        over `bins` equal intervals of the confidence, which is the likeliest class's probability.

        Examples:
            >>> sure = np.array([[1.0, 0.0], [1.0, 0.0]])
            >>> [Evaluation(sure, np.array(labels)).calibration_error() for labels in ([0, 0], [0, 1])]
            [0.0, 0.5]

        References:
            Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017, arXiv:1706.04599.
        """
        confidence = self.probabilities.max(axis=1).astype(float)
        bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
        surplus = np.bincount(bin_of, weights=(self.predicted == self.labels) - confidence, minlength=bins)
        return float(np.abs(surplus).sum() / len(confidence))


def evaluate(run: TrainedRun, dataset: Dataset | StreamedDataset) -> Evaluation:
    """What the network of `run` says of the test images, of as many as the run was limited to."""
    dataset = dataset.limit(run.config.limit)
    places = np.arange(len(dataset.test))
    chosen = [places[start : start + _AT_ONCE] for start in range(0, len(places), _AT_ONCE)]
    told = [(run.predict(images), labels) for images, labels in dataset.test.batches(chosen)]
    probabilities, labels = (np.concatenate(parts) for parts in zip(*told, strict=True))
    return Evaluation(probabilities, labels)


def show_evaluation(run: TrainedRun, evaluation: Evaluation, class_names: tuple[str, ...], console: Console) -> None:
    """Accuracy, loss and calibration in a line; then a row a class: its accuracy, and what it is taken for."""
    console.print(
        f"{run.config.recipe.title} after {len(run.epochs)} epochs, on {len(evaluation.labels):,} test images: "
        f"accuracy {evaluation.accuracy:.4f}, loss {evaluation.loss:.4f}, "
        f"calibration error {evaluation.calibration_error():.4f}",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(title="rows: what it is; columns: what it is taken for", box=None, padding=(0, 1, 0, 0))
    table.add_column("class", no_wrap=True)
    table.add_column("accuracy", justify="right")
    for name in class_names:
        table.add_column(name[:4], justify="right", no_wrap=True)
    for label, (name, row) in enumerate(zip(class_names, evaluation.confusion, strict=True)):
        share = f"{row[label] / row.sum():.3f}" if row.sum() else "-"
        table.add_row(name, share, *("[dim]·[/dim]" if count == 0 else str(count) for count in row))
    console.print(table)
