"""The quality of predictions: accuracy, loss, confusion and calibration."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer


@dataclass(frozen=True)
class Evaluation:
    """A network's predictions for the test images.

    Attributes:
        probabilities: (N, classes), of each class for each image.
        labels: (N,), the true classes.
    """

    probabilities: Float[np.ndarray, "n classes"]
    labels: Integer[np.ndarray, " n"]

    @property
    def predicted(self) -> Int[np.ndarray, " n"]:
        """The most probable class of each image."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """Share of the images whose most probable class is the true one."""
        return float((self.predicted == self.labels).mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy, in nats."""
        of_truth = self.probabilities[np.arange(len(self.labels)), self.labels]
        return float(-np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).mean())

    @property
    def confusion(self) -> Int[np.ndarray, "classes classes"]:
        """Number of images of class i (row) that were predicted as class j (column).

        Examples:
            >>> labels = np.array([0, 0, 1])
            >>> Evaluation(np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]), labels).confusion.tolist()
            [[1, 1], [0, 1]]
        """
        classes = self.probabilities.shape[1]
        return np.bincount(self.labels.astype(int) * classes + self.predicted, minlength=classes**2).reshape(
            classes, classes
        )

    @property
    def class_accuracies(self) -> Float[np.ndarray, " classes"]:
        """Share of the images of each class that were predicted as it; NaN for a class without images.

        Examples:
            >>> labels = np.array([0, 0, 2])
            >>> Evaluation(np.eye(3)[[0, 1, 2]], labels).class_accuracies.tolist()
            [0.5, nan, 1.0]
        """
        counts = self.confusion.sum(axis=1)
        return np.where(counts, self.confusion.diagonal(), np.nan) / np.maximum(counts, 1)

    def calibration_error(self, bins: int = 15) -> float:
        """Expected calibration error: the mean difference of accuracy and confidence.

            sum_b (n_b / n) |accuracy_b - confidence_b|

        over `bins` equal intervals of the confidence, the probability of the most probable class; NaN if one is NaN.

        Examples:
            >>> sure = np.array([[1.0, 0.0], [1.0, 0.0]])
            >>> [Evaluation(sure, np.array(labels)).calibration_error() for labels in ([0, 0], [0, 1])]
            [0.0, 0.5]

        References:
            Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017, arXiv:1706.04599.
        """
        confidence = self.probabilities.max(axis=1).astype(float)
        if not np.isfinite(confidence).all():
            return float("nan")
        bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
        surplus = np.bincount(bin_of, weights=(self.predicted == self.labels) - confidence, minlength=bins)
        return float(np.abs(surplus).sum() / len(confidence))
