"""The predictions of a run: metrics of the classes, confusions, calibration and mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.insight import feature_maps, grad_cam
from jaxcnn.report import figures
from jaxcnn.report.rendering import embed_figure
from jaxcnn.report.tables import HtmlTable
from jaxcnn.runs import MAX_CLASSES, Evaluation, TrainedRun, class_rows, class_title, pair_rows

_MISTAKES = 12
_MAX_NARROW = 12  # classes; the confusion matrix of more is drawn over the whole width


def describe_predictions(
    run: TrainedRun, evaluation: Evaluation, dataset: Dataset | StreamedDataset, class_names: Sequence[str]
) -> dict[str, Any]:
    """The content about an evaluation on test images.

    Args:
        run: the run.
        evaluation: its predictions.
        dataset: the data with the test images.
        class_names: the printable name of each class.
    """
    pairs = pair_rows(evaluation, class_names)
    num_classes = len(class_names)
    return {
        "classes": HtmlTable(f"Test images: {class_title(num_classes)}", class_rows(evaluation, class_names)),
        "confusion": _confusion_figure(evaluation, class_names),
        "pairs": HtmlTable("Most frequent confusions of the test images", pairs, num_words=2) if pairs else None,
        "matrix": _matrix(evaluation, class_names) if num_classes <= MAX_CLASSES else None,
        "is_broad": _MAX_NARROW < num_classes <= MAX_CLASSES,
        "reliability": _reliability_figure(evaluation),
        "mistakes": _mistakes(run, evaluation, dataset, class_names),
    }


def _confusion_figure(evaluation: Evaluation, class_names: Sequence[str]) -> dict[str, str]:
    finding = "No image is predicted as another class."
    if pairs := evaluation.worst_pairs(1):
        true, predicted, count = pairs[0]
        finding = (
            f"The most confused pair: {count:,} of {int(evaluation.confusion[true].sum()):,} images of "
            f"{class_names[true]} are predicted as {class_names[predicted]}."
        )
    numbers = "" if len(class_names) <= MAX_CLASSES else " Classes are numbered from 0, in the order of the data."
    return embed_figure(
        "Confusion matrix", figures.draw_confusion(evaluation.confusion, class_names),
        "Test images by true class (rows) and predicted class (columns), with a deeper color for a larger share of the "
        f"row.{numbers}",
        finding,
    )  # fmt: skip


def _matrix(evaluation: Evaluation, class_names: Sequence[str]) -> HtmlTable:
    rows = [
        (name, *(f"{count:,}" for count in counts))
        for name, counts in zip(class_names, evaluation.confusion, strict=True)
    ]
    return HtmlTable("Test images by true class (rows) and predicted class (columns)", [("", *class_names), *rows])


def _reliability_figure(evaluation: Evaluation) -> dict[str, str]:
    confidence = float(evaluation.probabilities.max(axis=1).mean())
    gap = confidence - evaluation.accuracy
    verdict = "agrees with" if abs(gap) < 0.01 else "is above" if gap > 0 else "is below"
    return embed_figure(
        "Reliability", figures.draw_reliability(evaluation.reliability()),
        "Test images by the confidence of their predictions. Below the dashed line, the network is too confident. "
        f"Calibration error {evaluation.calibration_error():.4f}.",
        f"The mean confidence, {confidence:.3f}, {verdict} the accuracy, {evaluation.accuracy:.3f}.",
    )  # fmt: skip


def _mistakes(
    run: TrainedRun, evaluation: Evaluation, dataset: Dataset | StreamedDataset, class_names: Sequence[str]
) -> list[dict[str, str]]:
    """The images with the most confident wrong predictions, and their Grad-CAM heat maps."""
    confidence = np.where(evaluation.predicted == evaluation.labels, 0.0, evaluation.probabilities.max(axis=1))
    worst = np.argsort(-confidence, kind="stable")[:_MISTAKES]
    worst = worst[confidence[worst] > 0]
    if not len(worst):
        return []
    ((images, _),) = dataset.test.batches([worst])
    predicted, true = (
        [class_names[int(label)] for label in labels[worst]] for labels in (evaluation.predicted, evaluation.labels)
    )
    titles = [
        f"{one} {share:.2f}\nis {other}" for one, share, other in zip(predicted, confidence[worst], true, strict=True)
    ]
    shown = [
        embed_figure(
            "The most confident mistakes", figures.draw_pictures(images, titles),
            "Above each image: the predicted class with its probability, and the true class.",
            f"An image of {true[0]} is predicted as {predicted[0]} with a probability of {confidence[worst[0]]:.2f}.",
        )
    ]  # fmt: skip
    if feature_maps(run.state, images.shape[1:], image_size=run.config.recipe.image_size):
        maps = grad_cam(run.state, images, classes=evaluation.predicted[worst], image_size=run.config.recipe.image_size)
        shown.append(
            embed_figure(
                "Grad-CAM of these mistakes", figures.draw_pictures(images, titles, heat_maps=np.asarray(maps)),
                "The regions that raise the logit of the predicted class, in yellow.",
                f"In an image of {true[0]}, the regions that raise the logit of {predicted[0]}.",
            )
        )  # fmt: skip
    return shown
