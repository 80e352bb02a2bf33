import numpy as np
import pytest

from jaxcnn.runs import Evaluation, TrainedRun

LABELS = np.array([0, 0, 1, 2])
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]], np.float32)
EVALUATION = Evaluation(PROBABILITIES, LABELS)


def test_metrics_follow_their_definitions():
    assert EVALUATION.accuracy == 0.75
    assert EVALUATION.loss == pytest.approx(-np.log([0.8, 0.3, 0.8, 0.6]).mean())
    np.testing.assert_array_equal(EVALUATION.confusion, [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    # two bins of two examples: confidence 0.6 with one correct, confidence 0.8 with both correct
    assert EVALUATION.calibration_error() == pytest.approx(0.5 * 0.1 + 0.5 * 0.2)


def test_a_probability_of_zero_gives_a_finite_loss():
    assert 80 < Evaluation(np.array([[1.0, 0.0]], np.float32), np.array([1])).loss < 100


def test_evaluation_equals_the_metrics_of_the_last_epoch(finished_run, sample):
    run = TrainedRun.open(finished_run)
    evaluation = run.evaluate(sample)
    assert evaluation.accuracy == pytest.approx(run.epochs[-1].test_accuracy)
    assert evaluation.loss == pytest.approx(run.epochs[-1].test_loss, rel=1e-5)
    assert evaluation.confusion.sum() == 256
