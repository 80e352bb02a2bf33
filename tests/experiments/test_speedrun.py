"""The measurement of the speedrun, on the sample."""

import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jaxcnn.data.holding_out import hold_out
from jaxcnn.models import LeNet
from jaxcnn.recipes import ALL_RECIPES, Recipe, get_recipe, register_recipe

SPEEDRUN = Path(__file__).parents[2] / "experiments" / "speedrun"


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr("jaxcnn.recipes.registry.ALL_RECIPES", dict(ALL_RECIPES))
    return register_recipe(Recipe("tiny", LeNet(), 28, 0.01, num_epochs=1))


@pytest.fixture
def script(monkeypatch, sample):
    """A function of the name of a script, that gives its names. Its images are the sample's."""
    monkeypatch.syspath_prepend(SPEEDRUN)
    monkeypatch.delitem(sys.modules, "measure", raising=False)

    def load(name):
        main = runpy.run_path(str(SPEEDRUN / f"{name}.py"))["main"]
        monkeypatch.setitem(main.__globals__, "prepare", lambda: sample)
        return main.__globals__

    return load


def test_each_seed_is_measured_once(script, tiny, tmp_path):
    output = tmp_path / "tiny.json"
    main = script("measure")["main"]
    main("tiny", output=output, seeds=1)
    first = json.loads(output.read_text())
    main("tiny", output=output, seeds=2)
    results = json.loads(output.read_text())
    assert results["runs"][:1] == first["runs"]
    assert [run["seed"] for run in results["runs"]] == [0, 1]
    for run in results["runs"]:
        assert 0 <= run["accuracy"] <= 1
        assert 0 <= run["accuracy_tta"] <= 1
        assert run["seconds"] > 0
        assert run["compile_seconds"] > 0
    assert results["summary"]["seeds"] == 2
    assert results["summary"]["accuracy"] == pytest.approx(sum(run["accuracy"] for run in results["runs"]) / 2)
    assert results["recipe"] == tiny.settings()


def test_results_of_another_recipe_are_refused(script, tiny, tmp_path):
    output = tmp_path / "tiny.json"
    script("measure")["main"]("tiny", output=output, seeds=1)
    before = output.read_text()
    with pytest.raises(SystemExit, match=r"tiny.json has another recipe: give another --output"):
        script("measure")["main"]("lenet", output=output, seeds=1)
    assert output.read_text() == before


def test_an_ablation_measures_validation_images(script, tiny, sample, tmp_path, monkeypatch):
    output = tmp_path / "ablation.json"
    monkeypatch.setattr("jaxcnn.recipes.get_recipe", {"speedrun": tiny}.get)
    names = script("ablation")
    names["main"](output=output, seeds=1, epochs=1, variants=("all ingredients", "no warm-up"))
    results = json.loads(output.read_text())
    variants = results["variants"]
    assert list(variants) == list(results["step_milliseconds"]) == ["all ingredients", "no warm-up"]
    assert min(results["step_milliseconds"].values()) > 0
    _, held_out = hold_out(sample.train_labels, names["VAL_FRACTION"], seed=0)
    for variant in variants.values():
        (run,) = variant["runs"]
        num_correct = run["accuracy"] * len(held_out)
        assert num_correct == pytest.approx(round(num_correct), abs=1e-6)
        assert variant["summary"]["seeds"] == 1
    names["VARIANTS"]["no warm-up"] = {"warmup_epochs": 0.0, "label_smoothing": 0.5}
    with pytest.raises(SystemExit, match=r"ablation.json has other settings of the variant 'no warm-up'"):
        names["main"](output=output, seeds=2, epochs=1, variants=("no warm-up",))


def test_each_run_is_in_one_group_of_averaged_runs(script, tiny, tmp_path):
    output, single = tmp_path / "ensembles.json", tmp_path / "single.json"
    script("measure")["main"]("tiny", output=single, seeds=1)
    names = script("ensembles")
    names["main"]("tiny", output=output, members=2, groups=1)
    names["main"]("tiny", output=output, members=2, groups=2)
    results = json.loads(output.read_text())
    assert [group["seeds"] for group in results["groups"]] == [[0, 1], [2, 3]]
    (run,) = json.loads(single.read_text())["runs"]
    for metric in ("accuracy", "accuracy_tta"):
        assert results["groups"][0][metric][0] == run[metric]
        assert len(results["groups"][1][metric]) == 2
    assert all(group["compile_seconds"] > 0 for group in results["groups"])
    with pytest.raises(SystemExit, match=r"ensembles.json has groups of 2 runs: give another --output"):
        names["main"]("tiny", output=output, members=3)


def test_each_variant_changes_the_recipe(script):
    recipe, variants = get_recipe("speedrun"), script("ablation")["VARIANTS"]
    changed = [json.dumps(replace(recipe, **changes).settings(), sort_keys=True) for changes in variants.values()]
    assert len(set(changed)) == len(variants)
    assert changed[0] == json.dumps(recipe.settings(), sort_keys=True)


def test_variants_are_compared_seed_by_seed(tmp_path):
    def runs(seconds, *accuracies):
        return {"runs": [{"accuracy": each, "accuracy_tta": each + 0.01, "seconds": seconds} for each in accuracies]}

    variants = {"all ingredients": runs(10.0, 0.90, 0.92, 0.91), "no flips": runs(8.0, 0.89, 0.90)}
    variants = {"variants": variants, "step_milliseconds": {"all ingredients": 100.0, "no flips": 80.0}}
    names = runpy.run_path(str(SPEEDRUN / "ablation_results.py"))
    (found,) = names["compare"](variants)
    assert (found.name, found.seeds, found.time_ratio) == ("no flips", 2, 0.8)
    for difference in (found.accuracy, found.accuracy_tta):
        assert difference == pytest.approx((-1.5, 0.5))  # of -1 and -2 points
    assert str(found.accuracy) == "\N{MINUS SIGN}1.50\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.50"
    results, figure = tmp_path / "ablation.json", tmp_path / "ablation.png"
    results.write_text(json.dumps(variants))
    names["main"](results, figure)
    assert figure.read_bytes().startswith(b"\x89PNG")
