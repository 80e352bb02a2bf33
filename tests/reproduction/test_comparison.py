from dataclasses import replace

import numpy as np
import pytest

from jaxcnn.recipes import RECIPES
from jaxcnn.reproduction import Comparison, compare


def experiment_of(results, name):
    (experiment,) = [experiment for experiment in compare(results) if experiment.recipe.name == name]
    return experiment


@pytest.mark.parametrize(
    ("metric", "measured", "agrees"),
    [
        ("train_loss", (0.63,), "yes"),  # 5 % of .6
        ("train_loss", (0.631,), "no"),
        ("train_loss", (0.50, 0.70), "yes"),  # the mean decides
        ("train_loss", (0.569,), "no"),
        ("train_loss", (float("nan"),), "no"),
        ("train_loss", (0.6, float("nan")), "no"),
    ],
)
def test_a_final_loss_agrees_within_five_percent(metric, measured, agrees):
    comparison = Comparison(metric, 0.6, measured)
    assert comparison.agrees == agrees
    assert comparison.deviation >= 0 or np.isnan(measured).any()


@pytest.mark.parametrize(
    ("measured", "agrees"), [((0.77,), "yes"), ((0.7701,), "no"), ((0.74, 0.78), "yes"), ((0.749,), "no")]
)
def test_a_training_accuracy_agrees_within_a_hundredth(measured, agrees):
    assert Comparison("train_accuracy", 0.76, measured).agrees == agrees


@pytest.mark.parametrize(
    ("measured", "agrees"),
    [
        ((0.80, 0.84), "yes"),
        ((0.83, 0.86), "no"),
        ((0.7, 0.8), "no"),
        ((0.8214, 0.86), "yes"),  # .821 as the book would print it
        ((0.8216, 0.86), "no"),
        ((0.821,), "1 seed"),
    ],
)
def test_a_test_accuracy_agrees_in_the_range_of_the_seeds(measured, agrees):
    assert Comparison("test_accuracy", 0.821, measured).agrees == agrees


def test_mean_and_deviation_are_taken_over_the_runs():
    comparison = Comparison("train_loss", 0.5, (0.4, 0.5, 0.9))
    assert comparison.mean == pytest.approx(0.6)
    assert comparison.deviation == pytest.approx(0.264575, rel=1e-5)
    assert comparison.relative_difference == pytest.approx(0.2)
    assert Comparison("train_loss", 0.5, (0.4,)).deviation == 0


@pytest.mark.parametrize("name", RECIPES)
def test_the_books_own_figures_reproduce_the_book(name, results_of):
    experiment = experiment_of(results_of(name), name)
    assert experiment.verdict == "yes"
    assert experiment.failures == []
    assert experiment_of(results_of(name, last=[{}]), name).verdict == "yes, 1 seed"


def test_experiments_without_runs_are_included(results_of):
    experiments = list(compare(results_of("vgg")))
    assert [experiment.recipe.name for experiment in experiments] == list(RECIPES)
    assert {experiment.verdict for experiment in experiments if experiment.recipe.name != "vgg"} == {"not run"}


def test_failures_name_the_metric_and_the_difference(results_of):
    last = [{"train_loss": 0.7, "train_accuracy": 0.72, "test_accuracy": 0.70}] * 2
    experiment = experiment_of(results_of("lenet", last=last), "lenet")
    assert experiment.verdict == "no"
    assert experiment.failures == [
        "final train loss (+14.1%)", "final train accuracy (-0.0370)", "final test accuracy (-0.0600)",
        "loss by epoch (+14.1%)",
    ]  # fmt: skip


def test_losses_of_the_plateau_are_not_compared(results_of):
    results = results_of("googlenet")
    for run in results["runs"]:
        run["epochs"][0] |= {"train_loss": 1.5}
        run["epochs"][1] |= {"train_loss": 0.9}
    experiment = experiment_of(results, "googlenet")
    assert [loss.reference for loss in experiment.losses] == [0.7035, 0.5071, 0.4271]
    assert experiment.verdict == "yes"
    for run in results["runs"]:
        run["epochs"][2] |= {"train_loss": 0.62}
    experiment = experiment_of(results, "googlenet")
    assert experiment.largest_difference == pytest.approx(-0.1187, abs=1e-4)
    assert experiment.failures == ["loss by epoch (-11.9%)"]


def test_unfinished_runs_are_compared_up_to_their_last_epoch(results_of):
    experiment = experiment_of(results_of("lenet", epochs=2), "lenet")
    assert [comparison.reference for comparison in experiment.final] == [0.9301, 0.646, 0.685]
    assert experiment.verdict == "unfinished"


def test_runs_with_fewer_epochs_are_not_compared(results_of):
    results = results_of("lenet")
    results["runs"][1]["epochs"] = results["runs"][1]["epochs"][:2]
    experiment = experiment_of(results, "lenet")
    assert [run["seed"] for run in experiment.runs] == [0, 2]
    assert [run["seed"] for run in experiment.behind] == [1]
    assert experiment.verdict == "yes"


def test_runs_on_fewer_images_are_unfinished(results_of):
    assert experiment_of(results_of("lenet", limit=300), "lenet").verdict == "unfinished"


def test_a_run_on_other_data_is_not_compared(results_of):
    results = results_of("lenet")
    results["runs"][0] |= {"data": {"source": "folder:images"}}
    assert [run["seed"] for run in experiment_of(results, "lenet").others] == [0]


@pytest.mark.parametrize(
    "setting", [{"val_fraction": 0.1}, {"init_from": {"source": "runs/lenet", "sha256": "0" * 64}}]
)
def test_a_run_on_fewer_images_or_from_weights_is_not_compared(results_of, setting):
    results = results_of("lenet")
    results["runs"][1] |= setting
    assert [run["seed"] for run in experiment_of(results, "lenet").others] == [1]


def test_a_longer_run_does_not_exclude_the_others(results_of):
    results = results_of("lenet")
    results["runs"][1]["epochs"] += [results["runs"][1]["epochs"][-1] | {"epoch": 6, "train_loss": 0.1}]
    experiment = experiment_of(results, "lenet")
    assert (len(experiment.runs), experiment.num_epochs, experiment.verdict) == (3, 5, "yes")


def test_a_run_in_another_dtype_is_not_compared(results_of):
    results = results_of("lenet", dtype="float32")
    results["runs"][2] |= {"dtype": "bfloat16"}
    experiment = experiment_of(results, "lenet")
    assert [run["seed"] for run in experiment.runs] == [0, 1]
    assert [run["seed"] for run in experiment.others] == [2]


def test_runs_with_other_settings_are_not_compared(results_of):
    results = results_of("densenet")
    results["runs"][0] |= {"image_size": 96}
    results["runs"][1] |= {"model": {**results["runs"][1]["model"], "norm": "of gamma 1"}}
    experiment = experiment_of(results, "densenet")
    assert [run["seed"] for run in experiment.runs] == [2]
    assert [run["seed"] for run in experiment.others] == [0, 1]


def test_runs_with_other_settings_are_compared_with_recipes_of_these_settings(results_of):
    results, recipe = results_of("lenet"), replace(RECIPES["lenet"], learning_rate=0.002)
    results["runs"][0]["learning_rate"] = 0.002
    (experiment,) = compare(results, {"lenet": recipe})
    assert [run["seed"] for run in experiment.runs] == [0]
    assert [run["seed"] for run in experiment.others] == [1, 2]
