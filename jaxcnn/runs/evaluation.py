"""The quality of predictions: accuracy, loss, metrics of each class, confusion and calibration."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Integer


class ConfusedPair(NamedTuple):
    """Images of one class that were predicted as another.

    Attributes:
        true: the true class.
        predicted: the predicted class.
        num_images: number of images.
    """

    true: int
    predicted: int
    num_images: int


class Reliability(NamedTuple):
    """The points of a reliability diagram, one for each interval of the confidence.

    Attributes:
        counts: (bins,), number of images whose confidence is in the interval.
        confidence: (bins,), their mean confidence; NaN without images.
        accuracy: (bins,), their accuracy; NaN without images.
    """

    counts: Int[np.ndarray, " bins"]
    confidence: Float[np.ndarray, " bins"]
    accuracy: Float[np.ndarray, " bins"]


@dataclass(frozen=True)
class Evaluation:
    """A network's predictions for the images of a split.

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
    def class_metrics(self) -> dict[str, Float[np.ndarray, " classes"]]:
        """Precision, recall and F1 of each class against all others; NaN for 0 / 0.

            precision = TP / (TP + FP)
            recall    = TP / (TP + FN)
            F1        = 2 TP / (2 TP + FP + FN)

        TP is the number of images of the class that are predicted correctly, FP the number of other images that are
        predicted as the class, and FN the number of images of the class that are predicted as another class.

        Returns:
            Arrays of shape (classes,) by name: 'precision', 'recall' and 'f1'.

        Examples:
            >>> labels = np.array([0, 0, 2])
            >>> metrics = Evaluation(np.eye(3)[[0, 1, 2]], labels).class_metrics
            >>> {name: values.round(2).tolist() for name, values in metrics.items()}
            {'precision': [1.0, 0.0, 1.0], 'recall': [0.5, nan, 1.0], 'f1': [0.67, 0.0, 1.0]}
        """
        confusion = self.confusion
        correct, predicted, true = confusion.diagonal(), confusion.sum(axis=0), confusion.sum(axis=1)
        return {
            "precision": _ratio(correct, predicted),
            "recall": _ratio(correct, true),
            "f1": _ratio(2 * correct, predicted + true),
        }

    @property
    def macro_metrics(self) -> dict[str, float]:
        """The unweighted means of `class_metrics` over the classes; NaN is left out.

        Examples:
            >>> Evaluation(np.eye(3)[[0, 1, 2]], np.array([0, 0, 2])).macro_metrics["recall"]
            0.75
        """
        return {name: float(np.nanmean(values)) for name, values in self.class_metrics.items()}

    def worst_classes(self, n: int) -> list[int]:
        """Up to `n` classes with the lowest F1, the lowest first. Classes without F1 are left out.

        Examples:
            >>> Evaluation(np.eye(3)[[0, 1, 2]], np.array([0, 0, 2])).worst_classes(2)
            [1, 0]
        """
        scores = self.class_metrics["f1"]
        return [int(label) for label in np.argsort(scores, kind="stable") if not np.isnan(scores[label])][:n]

    def worst_pairs(self, n: int) -> list[ConfusedPair]:
        """Up to `n` most frequent pairs of true class and wrong prediction, the most frequent first.

        Examples:
            >>> Evaluation(np.eye(3)[[0, 1, 2, 1, 0]], np.array([0, 0, 2, 0, 2])).worst_pairs(1)
            [ConfusedPair(true=0, predicted=1, num_images=2)]
        """
        mistakes = self.confusion
        np.fill_diagonal(mistakes, 0)
        places = np.argsort(-mistakes, axis=None, kind="stable")[:n]
        pairs = zip(*(axis.tolist() for axis in np.unravel_index(places, mistakes.shape)), strict=True)
        return [ConfusedPair(true, label, int(mistakes[true, label])) for true, label in pairs if mistakes[true, label]]

    def reliability(self, bins: int = 15) -> Reliability:
        """Confidence and accuracy of the images in `bins` equal intervals of the confidence.

        The confidence is the probability of the most probable class. Images whose confidence is NaN are left out.

        Examples:
            >>> sure = np.array([[1.0, 0.0], [1.0, 0.0], [0.4, 0.6]])
            >>> counts, confidence, accuracy = Evaluation(sure, np.array([0, 1, 1])).reliability(bins=2)
            >>> counts.tolist(), confidence[1].round(2).tolist(), accuracy[1].round(2).tolist()
            ([0, 3], 0.87, 0.67)
        """
        confidence = self.probabilities.max(axis=1).astype(float)
        known = np.isfinite(confidence)
        confidence, correct = confidence[known], (self.predicted == self.labels)[known]
        bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
        counts, confident, correct = (
            np.bincount(bin_of, weights, minlength=bins) for weights in (None, confidence, correct)
        )
        return Reliability(counts, _ratio(confident, counts), _ratio(correct, counts))

    def calibration_error(self, bins: int = 15) -> float:
        """Expected calibration error: the mean gap between accuracy and confidence in the bins of `reliability`.

            sum_b (n_b / n) |accuracy_b - confidence_b|

        It is NaN if a confidence is NaN.

        Examples:
            >>> sure = np.array([[1.0, 0.0], [1.0, 0.0]])
            >>> [Evaluation(sure, np.array(labels)).calibration_error() for labels in ([0, 0], [0, 1])]
            [0.0, 0.5]

        References:
            Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017, arXiv:1706.04599.
        """
        counts, confidence, accuracy = self.reliability(bins)
        if counts.sum() < len(self.labels):
            return math.nan
        return float(np.nansum(counts * np.abs(accuracy - confidence)) / len(self.labels))

    def as_json(self, class_names: Sequence[str]) -> dict[str, Any]:
        """All metrics as JSON, with None for NaN. Each row of the confusion matrix is a true class.

        Examples:
            >>> metrics = Evaluation(np.eye(2), np.array([0, 1])).as_json(["cat", "dog"])
            >>> metrics["accuracy"], metrics["classes"][0]
            (1.0, {'name': 'cat', 'images': 1, 'precision': 1.0, 'recall': 1.0, 'f1': 1.0})
        """
        counts, metrics = self.confusion.sum(axis=1), self.class_metrics
        return {
            "num_images": len(self.labels),
            "accuracy": self.accuracy,
            "loss": _number(self.loss),
            "calibration_error": _number(self.calibration_error()),
            "macro": {name: _number(value) for name, value in self.macro_metrics.items()},
            "classes": [
                {"name": class_name, "images": int(counts[label])}
                | {name: _number(values[label]) for name, values in metrics.items()}
                for label, class_name in enumerate(class_names)
            ],
            "confusion": self.confusion.tolist(),
            "reliability": [
                {"images": int(count), "confidence": _number(confidence), "accuracy": _number(accuracy)}
                for count, confidence, accuracy in zip(*self.reliability(), strict=True)
            ],
        }


def _ratio(part: np.ndarray, whole: np.ndarray) -> Float[np.ndarray, " n"]:
    """`part` / `whole`, with NaN where `whole` is 0."""
    return np.where(whole, part, np.nan) / np.maximum(whole, 1)


def _number(value: float) -> float | None:
    """`value` for JSON; None if it is not finite."""
    return float(value) if math.isfinite(value) else None
