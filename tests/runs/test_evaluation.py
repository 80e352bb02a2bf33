import io

import numpy as np
import pytest
from rich.console import Console

from jaxcnn.data import FASHION_MNIST_CLASSES
from jaxcnn.runs import Evaluation, TrainedRun, evaluate, show_evaluation

LABELS = np.array([0, 0, 1, 2])
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]], np.float32)
EVALUATION = Evaluation(PROBABILITIES, LABELS)


def test_the_figures_are_those_of_their_definitions():
    assert EVALUATION.accuracy == 0.75
    assert EVALUATION.loss == pytest.approx(-np.log([0.8, 0.3, 0.8, 0.6]).mean())
    np.testing.assert_array_equal(EVALUATION.confusion, [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
    # two bins of two: confidence 0.6 with half of them right, confidence 0.8 with both
    assert EVALUATION.calibration_error() == pytest.approx(0.5 * 0.1 + 0.5 * 0.2)


def test_a_probability_of_zero_for_the_truth_is_a_large_loss_and_no_infinity():
    assert 80 < Evaluation(np.array([[1.0, 0.0]], np.float32), np.array([1])).loss < 100


def test_a_run_is_evaluated_as_it_was_after_its_last_epoch(carried_out, sample):
    run = TrainedRun.open(carried_out)
    evaluation = evaluate(run, sample)
    assert evaluation.accuracy == pytest.approx(run.epochs[-1].test_accuracy)
    assert evaluation.loss == pytest.approx(run.epochs[-1].test_loss, rel=1e-5)
    assert evaluation.confusion.sum() == 256


def test_what_is_shown_fits_a_line_of_eighty(carried_out, sample):
    run = TrainedRun.open(carried_out)
    console = Console(file=io.StringIO(), width=80)
    show_evaluation(run, evaluate(run, sample), sample.class_names, console)
    first, *table = console.file.getvalue().splitlines()
    assert first.startswith("LeNet with batch norm after 2 epochs, on 256 test images: accuracy 0.")
    for name in FASHION_MNIST_CLASSES:
        assert any(line.startswith(name) for line in table)
    assert max(map(len, table)) <= 80
