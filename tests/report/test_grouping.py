from dataclasses import replace

import pytest

from jaxcnn.report.grouping import group_runs
from jaxcnn.report.overview import make_overview
from jaxcnn.runs import TrainedRun
from jaxcnn.training import EpochResult


@pytest.fixture
def make_run(finished_run, tmp_path):
    """Return a function that makes a run with given accuracies, a pair of validation and test for each epoch."""
    opened = TrainedRun.open(finished_run)

    def make(accuracies, *, seed=0, rate=0.001):
        metrics = {"train_loss": 0.5, "train_accuracy": 0.7, "test_loss": 0.4}
        epochs = tuple(
            EpochResult(
                number,
                {**metrics, "test_accuracy": test} | ({} if val is None else {"val_accuracy": val}),
                10.0, 1.0, 2.5 if number == 1 else 0.0,
            )
            for number, (val, test) in enumerate(accuracies, 1)
        )  # fmt: skip
        recipe = replace(opened.config.recipe, learning_rate=rate)
        config = replace(opened.config, recipe=recipe, seed=seed)
        return replace(opened, path=tmp_path / f"rate-{rate}" / f"seed-{seed}", config=config, epochs=epochs)

    return make


@pytest.fixture
def validated(make_run):
    """Two seeds at one rate, of which one is there twice, and one seed at another rate."""
    return [
        make_run([(0.7, 0.6), (0.6, 0.9)]),
        make_run([(0.7, 0.1), (0.8, 0.8)], seed=1),
        make_run([(0.7, 0.1), (0.9, 0.1)], seed=1),
        make_run([(0.9, 0.85)], rate=0.01),
    ]


def test_groups_differ_in_other_settings_than_the_seed(validated):
    slow, fast = group_runs(validated)
    assert [len(slow.runs), len(fast.runs)] == [3, 1]
    assert slow.title == "LeNet with batch norm, learning rate 0.001"
    assert fast.differences == ("learning rate 0.01",)


def test_a_setting_that_only_another_group_has_is_none(make_run):
    run = make_run([(None, 0.5)])
    held_out = replace(run, config=replace(run.config, val_fraction=0.1))
    assert [group.differences for group in group_runs([run, held_out])] == [
        ("val fraction none",), ("val fraction 0.1",)
    ]  # fmt: skip


def test_the_first_run_of_each_seed_is_counted(validated):
    slow, _ = group_runs(validated)
    assert [run.config.seed for run in slow.by_seed.values()] == [0, 1]
    (repeated,) = slow.repeated
    assert repeated is validated[2]
    assert slow.seconds == 3 * 22.5


def test_results_are_those_of_the_best_epoch_by_validation(validated, make_run):
    slow, _ = group_runs(validated)
    assert [result.test_accuracy for result in slow.results] == [0.6, 0.8]
    (unvalidated,) = group_runs([make_run([(None, 0.9), (None, 0.3)])])
    assert [result.test_accuracy for result in unvalidated.results] == [0.3]


def test_the_overview_has_mean_and_deviation_over_distinct_seeds(validated):
    overview = make_overview(group_runs(validated))
    headings, slow, fast = overview["table"].rows
    row = dict(zip(headings, slow, strict=True))
    assert row["seeds"] == "0, 1"
    assert row["epochs"] == "2"
    assert row["best epoch"] == "1 to 2"
    assert row["val acc"] == "0.750 ± 0.071"
    assert row["test acc"] == "0.700 ± 0.141"
    assert row["the book"] == "0.821"
    assert row["time, s"] == "68"
    assert dict(zip(headings, fast, strict=True))["settings that differ"] == "learning rate 0.01"


def test_only_validation_accuracy_names_a_highest_group(validated, make_run):
    assert make_overview(group_runs(validated))["best"] == "LeNet with batch norm, learning rate 0.01"
    unvalidated = [make_run([(None, 0.9)]), make_run([(None, 0.3)], rate=0.01)]
    overview = make_overview(group_runs(unvalidated))
    assert overview["best"] is None
    assert "best epoch" not in overview["table"].rows[0]
    assert "between 0.300" in overview["figure"]["finding"]
