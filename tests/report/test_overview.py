from jaxcnn.report.grouping import group_runs
from jaxcnn.report.overview import make_overview


def test_the_overview_has_mean_and_deviation_over_seeds(validated):
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


def test_the_highest_validation_accuracy_is_named(validated):
    assert make_overview(group_runs(validated))["best"] == "LeNet with batch norm, learning rate 0.01"


def test_equal_validation_accuracies_name_no_highest(make_run):
    runs = [make_run([(0.8, 0.9)]), make_run([(0.8, 0.3)], rate=0.01)]
    assert make_overview(group_runs(runs))["best"] is None


def test_the_test_images_name_no_highest(make_run):
    overview = make_overview(group_runs([make_run([(None, 0.9)]), make_run([(None, 0.3)], rate=0.01)]))
    assert overview["best"] is None
    assert "best epoch" not in overview["table"].rows[0]
    low, high = (
        "0.300 (LeNet with batch norm, learning rate 0.01)",
        "0.900 (LeNet with batch norm, learning rate 0.001)",
    )
    assert overview["figure"]["finding"] == f"The mean test accuracy is between {low} and {high}."
