import io
import json

import pytest
from rich.console import Console

from jaxcnn import InputError
from jaxcnn.recipes import get_recipe
from jaxcnn.runs import reproduce, reproduction
from jaxcnn.runs.reproduction import Comparison, as_notes, as_rows


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80)


def results_of(name, *, last, seeds=3, epochs=5, limit=None):
    """What runs of `name` give that are as documented, but for `last`, a change of the last epoch's figures."""
    figures = [
        {
            "train_loss": told.loss,
            "train_accuracy": told.train_accuracy,
            "test_accuracy": told.test_accuracy,
            "seconds": 1,
        }
        for told in get_recipe(name).documented[:epochs]
    ]
    figures[-1] = figures[-1] | last
    return {"device": "cpu", "runs": [{"recipe": name, "limit": limit, "epochs": figures}] * seeds}


def test_each_run_is_kept_and_taken_as_it_stands_the_next_time(sample, tmp_path, console, monkeypatch):
    options = {"seeds": 2, "num_epochs": 1, "limit": 64}
    results = reproduce(["lenet"], sample, tmp_path, console, **options)
    assert results == json.loads((tmp_path / "reproduction.json").read_text())
    assert [(run["recipe"], run["seed"], len(run["epochs"])) for run in results["runs"]] == [
        ("lenet", 0, 1),
        ("lenet", 1, 1),
    ]
    assert {path.name for path in (tmp_path / "lenet").iterdir()} == {"seed-0", "seed-1"}
    monkeypatch.setattr(reproduction, "train", lambda *_: pytest.fail("trained again"))
    assert reproduce(["lenet"], sample, tmp_path, console, **options) == results
    text = console.file.getvalue()
    assert "documented / mean over seeds" in text
    assert "lenet: 1 of the 5 documented epochs were trained" in text
    assert "lenet: trained on 64 images, not on all" in text


def test_a_mean_in_the_band_is_reproduced():
    results = results_of("lenet", last={"test_accuracy": 0.765})
    assert as_rows(results)[1] == (
        "lenet", "3 x 5 epochs",
        "0.6137 / 0.6137 ±0.0307 in", "0.757 / 0.757 ±0.010 in", "0.760 / 0.765 ±0.010 in", "22 / 5",
    )  # fmt: skip
    assert as_notes(results) == []


def test_a_mean_out_of_the_band_is_said_with_what_is_known_of_it():
    results = results_of("lenet_bn", last={"test_accuracy": 0.85})
    assert as_rows(results)[1][4] == "0.821 / 0.850 ±0.010 OUT"
    (note,) = as_notes(results)
    assert note.startswith("lenet_bn is not reproduced in test accuracy +0.0290: with moving statistics")


@pytest.mark.parametrize(("accuracy", "side"), [(0.883, "above"), (0.75, "BELOW")])
def test_of_a_modern_recipe_the_test_accuracy_is_to_be_above_the_documented(accuracy, side):
    results = results_of("lenet_modern", last={"test_accuracy": accuracy})
    assert as_rows(results)[1][2:5] == ("-", "-", f"0.760 / {accuracy:.3f} ±0.000 {side}")
    assert as_notes(results) == []


def test_figures_are_compared_at_the_last_epoch_that_all_have():
    assert as_rows(results_of("lenet", last={}, epochs=2))[1][1:3] == ("3 x 2 epochs", "0.9301 / 0.9301 ±0.0465 in")


@pytest.mark.parametrize(
    ("measured", "band", "is_inside"),
    [
        ((0.76,), 0.01, True),
        ((0.78,), 0.01, False),
        ((0.75, 0.77), 0.0424, True),  # three times .0141
        ((0.80, 0.81), 0.0212, False),
        ((float("nan"),), 0.01, False),
    ],
)
def test_the_band_is_three_deviations_or_a_hundredth(measured, band, is_inside):
    comparison = Comparison("test_accuracy", 0.76, measured)
    assert comparison.band == pytest.approx(band, abs=1e-4)
    assert comparison.is_inside == is_inside


def test_what_cannot_be_asked_for_is_refused(sample, tmp_path, console):
    with pytest.raises(InputError, match="no recipe is called 'lennet'"):
        reproduce(["lennet"], sample, tmp_path, console)
    with pytest.raises(InputError, match="0 seeds"):
        reproduce([], sample, tmp_path, console, seeds=0)
    assert list(tmp_path.iterdir()) == []
