"""The reference has every public name, every field of a recipe, and every entry of the files."""

import importlib
import json
import pkgutil
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import jaxcnn
from jaxcnn import interop, recipes, reproduction, runs
from jaxcnn.interop.metadata import make_metadata

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
NOT_IN_SCRIPTS = {"cli"}
PACKAGES = sorted(
    module.name
    for module in pkgutil.iter_modules(jaxcnn.__path__)
    if module.ispkg and module.name not in NOT_IN_SCRIPTS
)


def read(page):
    return (REFERENCE / page).read_text(encoding="utf-8")


def rows(text):
    """The cells of each row of all tables in Markdown."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines]


def codes(text):
    return set(re.findall(r"(?<!`)`([^`\n]+)`", text))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_described_once(package):
    page = read(f"api/{package}.md")
    described = re.findall(r"^\.\. auto(?:function|class|data):: (\w+)$", page, re.MULTILINE)
    described += re.findall(r"\{class\}`~jaxcnn\.runs\.(\w+)`", page)
    assert sorted(described) == sorted(importlib.import_module(f"jaxcnn.{package}").__all__)


def test_every_page_is_in_the_contents():
    pages = {page.stem for page in (REFERENCE / "api").glob("*.md")} - {"index"}
    assert pages == {*PACKAGES, "errors"}
    assert pages <= set(read("api/index.md").rpartition("{toctree}")[2].split())


def test_every_error_is_described():
    errors = [
        name for name, value in vars(jaxcnn.errors).items() if isinstance(value, type) and issubclass(value, Exception)
    ]
    assert re.findall(r"^\.\. autoexception:: (\w+)$", read("api/errors.md"), re.MULTILINE) == errors


def test_every_field_of_a_recipe_is_described_once():
    described = [cells[0].strip("`") for cells in rows(read("recipe-fields.md"))]
    assert sorted(described) == sorted(field.name for field in fields(recipes.Recipe))


def test_settings_of_a_recipe_are_described_as_such():
    settings, about = read("recipe-fields.md").split("## Title and book")
    described = {cells[0].strip("`") for cells in rows(settings)}
    assert described == {*recipes.setting_names(), "name", "source"}
    assert not described & codes(about.partition("## Example")[0])


def test_defaults_of_a_recipe_are_described():
    page = {cells[0].strip("`"): cells[2].strip("`") for cells in rows(read("recipe-fields.md"))}
    for field in fields(recipes.Recipe):
        if isinstance(field.default, int | float | str | None) and field.name != "title":
            assert page[field.name] == json.dumps(field.default).replace("null", "None").replace("0.0", "0"), field.name


def test_options_for_a_recipe_exist(capsys, restore_log_levels):
    with pytest.raises(SystemExit):
        jaxcnn.cli.main(["train", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    described = set(re.findall(r"`(--[a-z-]+)`", read("recipe-fields.md").partition("## Title and book")[0]))
    assert described <= options
    changes = {f"--{field.name.replace('_', '-')}" for field in fields(jaxcnn.cli.training.RecipeOptions)}
    assert changes <= described


def names_in(value):
    """The keys of JSON, those of inner objects included, except for settings that have names of their own."""
    if isinstance(value, dict):
        inner = [
            names_in(entry) for name, entry in value.items() if name not in ("model", "optimizer_options", "versions")
        ]
        return set(value).union(*inner)
    return set().union(*map(names_in, value)) if isinstance(value, list) else set()


def test_entries_of_a_run_are_described(finished_run, tmp_path):
    files = codes(read("files.md"))
    written = {path.name for path in finished_run.iterdir()}
    assert written <= {name.rstrip("/") for name in files}
    for name in ("config.json", "summary.json"):
        assert names_in(json.loads((finished_run / name).read_text())) <= files, name
    assert names_in(runs.read_metrics(finished_run)) <= files
    target = tmp_path / "lenet_bn" / "seed-0"
    target.parent.mkdir()
    target.symlink_to(finished_run)
    assert names_in(reproduction.collect_results(tmp_path)) <= files


def test_settings_that_are_recorded_sometimes_are_described():
    recipe = replace(recipes.get_recipe("lenet"), normalization="train")
    config = runs.RunConfig(recipe, val_fraction=0.1, val_seed=1, patience=1, until=0.5).as_json()
    assert names_in(config) | set(recipes.setting_names()) | {"source", "init_from", "data"} <= codes(read("files.md"))


def test_entries_of_an_evaluation_are_described():
    evaluation = runs.Evaluation(np.eye(2), np.array([0, 1])).as_json(["cat", "dog"])
    assert names_in(evaluation) | {"title", "runs", "views", "split"} <= codes(read("files.md"))


def test_metadata_of_exports_are_described():
    about = interop.NetworkInfo("LeNet", 1, "Fashion-MNIST", ("a", "b"), True, 0.9, (0.5,), (0.25,))
    assert names_in(make_metadata(about, (28, 28, 1), 96)) <= codes(read("files.md"))
