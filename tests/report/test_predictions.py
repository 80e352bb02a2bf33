import numpy as np
import pytest

from jaxcnn.report.predictions import describe_predictions
from jaxcnn.runs import Evaluation


def describe(sample, confidence, *, correct):
    """Describe predictions of class 0 or 1 with a confidence; a share of the images is correct."""
    count = len(sample.test_images)
    probabilities = np.zeros((count, 10))
    probabilities[:, 0], probabilities[:, 1] = confidence, 1 - confidence
    labels = np.where(np.arange(count) < correct * count, 0, 1)
    return describe_predictions(Evaluation(probabilities, labels), sample, sample.class_names)


@pytest.mark.parametrize(("confidence", "verdict"), [(0.9, "is above"), (0.6, "is below"), (0.75, "agrees with")])
def test_reliability_compares_confidence_and_accuracy(sample, confidence, verdict):
    finding = describe(sample, confidence, correct=0.75)["reliability"]["finding"]
    assert finding == f"The mean confidence, {confidence:.3f}, {verdict} the accuracy, 0.750."


def test_mistakes_name_the_most_confident_one(sample):
    (figure,) = describe(sample, 0.9, correct=0.5)["mistakes"]
    assert figure["finding"] == "An image of Trouser is predicted as T-shirt/top with a probability of 0.90."


def test_perfect_predictions_have_no_mistakes_and_no_pairs(sample):
    content = describe(sample, 0.9, correct=1)
    assert content["mistakes"] == []
    assert content["pairs"] is None
    assert content["confusion"]["finding"] == "No image is predicted as another class."
