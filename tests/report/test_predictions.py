import numpy as np
import pytest

from jaxcnn.report.predictions import describe_predictions
from jaxcnn.runs import Evaluation, TrainedRun


@pytest.fixture
def describe(sample, finished_run):
    """A function that describes predictions of class 0 or 1 with a confidence; a share of the images is correct."""
    run = TrainedRun.open(finished_run)

    def describe(confidence, *, correct):
        count = len(sample.test_images)
        probabilities = np.zeros((count, 10))
        probabilities[:, 0], probabilities[:, 1] = confidence, 1 - confidence
        labels = np.where(np.arange(count) < correct * count, 0, 1)
        return describe_predictions(run, Evaluation(probabilities, labels), sample, sample.class_names)

    return describe


@pytest.mark.parametrize(("confidence", "verdict"), [(0.9, "is above"), (0.6, "is below"), (0.75, "agrees with")])
def test_reliability_compares_confidence_and_accuracy(describe, confidence, verdict):
    finding = describe(confidence, correct=0.75)["reliability"]["finding"]
    assert finding == f"The mean confidence, {confidence:.3f}, {verdict} the accuracy, 0.750."


def test_mistakes_name_the_most_confident_one(describe):
    figure, explained = describe(0.9, correct=0.5)["mistakes"]
    assert figure["finding"] == "An image of Trouser is predicted as T-shirt/top with a probability of 0.90."
    assert explained["finding"] == "In an image of Trouser, the regions that raise the logit of T-shirt/top."


def test_perfect_predictions_have_no_mistakes_and_no_pairs(describe):
    content = describe(0.9, correct=1)
    assert content["mistakes"] == []
    assert content["pairs"] is None
    assert content["confusion"]["finding"] == "No image is predicted as another class."
