import json

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


@pytest.fixture(params=range(3))
def random_evaluation(request):
    """Predictions for 6 classes, of which class 5 has no images and class 4 is never predicted."""
    rng = np.random.default_rng(request.param)
    probabilities = rng.dirichlet(np.ones(6), size=300)
    probabilities[:, 4] = 0
    return Evaluation(probabilities / probabilities.sum(axis=1, keepdims=True), rng.integers(0, 5, 300))


def naive_class_metrics(predicted, labels, label):
    """Precision, recall and F1 of a class, counted image by image."""
    outcomes = [(one == label, other == label) for one, other in zip(predicted, labels, strict=True)]
    hits, false_alarms, misses = (outcomes.count(kind) for kind in ((True, True), (True, False), (False, True)))
    precision, recall = (hits / count if count else np.nan for count in (hits + false_alarms, hits + misses))
    return {
        "precision": precision,
        "recall": recall,
        "f1": 2 * hits / (2 * hits + false_alarms + misses) if hits + false_alarms + misses else np.nan,
    }


def test_class_metrics_equal_naive_counts(random_evaluation):
    evaluation = random_evaluation
    naive = [naive_class_metrics(evaluation.predicted, evaluation.labels, label) for label in range(6)]
    for name, values in evaluation.class_metrics.items():
        np.testing.assert_allclose(values, [metrics[name] for metrics in naive])
    assert np.isnan(naive[4]["precision"])
    assert np.isnan(naive[5]["recall"])


def test_macro_metrics_weight_classes_equally_without_nan(random_evaluation):
    for name, values in random_evaluation.class_metrics.items():
        defined = [value for value in values if value == value]
        assert random_evaluation.macro_metrics[name] == pytest.approx(sum(defined) / len(defined))


def test_f1_is_the_harmonic_mean_of_precision_and_recall(random_evaluation):
    precision, recall, f1 = random_evaluation.class_metrics.values()
    np.testing.assert_allclose(f1[:4], 2 / (1 / precision[:4] + 1 / recall[:4]))


def test_the_worst_classes_have_the_lowest_f1(random_evaluation):
    scores = random_evaluation.class_metrics["f1"]
    worst = random_evaluation.worst_classes(3)
    assert [scores[label] for label in worst] == sorted(scores[~np.isnan(scores)])[:3]


def test_the_worst_pairs_count_the_mistakes(random_evaluation):
    evaluation = random_evaluation
    pairs = evaluation.worst_pairs(4)
    assert len(pairs) == 4
    for true, predicted, count in pairs:
        assert true != predicted
        assert count == sum((evaluation.labels == true) & (evaluation.predicted == predicted))
    every = evaluation.worst_pairs(1000)
    assert [pair.num_images for pair in every] == sorted((pair.num_images for pair in every), reverse=True)
    assert sum(pair.num_images for pair in every) == (evaluation.labels != evaluation.predicted).sum()


def test_without_mistakes_there_are_no_worst_pairs():
    assert Evaluation(np.eye(3), np.arange(3)).worst_pairs(5) == []


def test_reliability_equals_means_over_each_interval(random_evaluation):
    evaluation = random_evaluation
    confidence = evaluation.probabilities.max(axis=1)
    correct = evaluation.predicted == evaluation.labels
    for number, (count, mean, accuracy) in enumerate(zip(*evaluation.reliability(bins=10), strict=True)):
        inside = (confidence >= number / 10) & (confidence < (number + 1) / 10)
        assert count == inside.sum()
        if count:
            assert mean == pytest.approx(confidence[inside].mean())
            assert accuracy == pytest.approx(correct[inside].mean())
        else:
            assert np.isnan(mean)
            assert np.isnan(accuracy)


def test_a_confidence_of_nan_is_in_no_bin():
    evaluation = Evaluation(np.array([[np.nan, 0.5], [0.2, 0.8]]), np.array([0, 1]))
    assert evaluation.reliability().counts.sum() == 1
    assert np.isnan(evaluation.calibration_error())


def test_json_has_every_metric_and_null_for_nan(random_evaluation):
    figures = json.loads(json.dumps(random_evaluation.as_json("abcdef"), allow_nan=False))
    assert figures["accuracy"] == random_evaluation.accuracy
    assert figures["macro"]["f1"] == random_evaluation.macro_metrics["f1"]
    assert figures["classes"][4]["precision"] is None
    assert figures["classes"][5]["recall"] is None
    assert figures["confusion"] == random_evaluation.confusion.tolist()
    assert sum(interval["images"] for interval in figures["reliability"]) == figures["num_images"] == 300


def test_evaluation_equals_the_metrics_of_the_last_epoch(finished_run, sample):
    run = TrainedRun.open(finished_run)
    evaluation = run.evaluate(sample)
    assert evaluation.accuracy == pytest.approx(run.epochs[-1].test_accuracy)
    assert evaluation.loss == pytest.approx(run.epochs[-1].test_loss, rel=1e-5)
    assert evaluation.confusion.sum() == 256
