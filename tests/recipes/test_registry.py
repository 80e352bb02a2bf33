"""Recipes by name, and recipes in your own files."""

import hashlib
from dataclasses import replace

import pytest

from jaxcnn import InputError
from jaxcnn.recipes import ALL_RECIPES, RECIPES, get_recipe, load_recipe, register_recipe

FILE = """
from jaxcnn.models import LeNet
from jaxcnn.recipes import Recipe

recipe = Recipe("tiny", LeNet(), 28, 0.1, optimizer="sgd")
number = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tiny.py"
    path.write_text(FILE)
    return path


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(
        InputError, match=r"recipe 'lennet' is unknown: did you mean lenet\? Expected one of lenet, alexnet"
    ):
        get_recipe("lennet")
    with pytest.raises(InputError, match=r"recipe 'xyz' is unknown: expected one of lenet, .*FILE.py:ATTRIBUTE"):
        get_recipe("xyz")


def test_a_recipe_in_a_file_records_its_source(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    for name in (f"{file}:recipe", "./tiny.py:recipe", "tiny.py:recipe"):
        recipe = get_recipe(name)
        assert (recipe.name, recipe.optimizer, recipe.title) == ("tiny", "sgd", "LeNet")
        assert recipe.source is not None
        assert recipe.source.place == str(file)
        assert recipe.source.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert recipe.command_name == f"{file}:recipe"


def test_a_recipe_in_a_package_is_loaded(file, monkeypatch):
    package = file.parent / "packaged_recipes"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "small.py").write_text(FILE)
    monkeypatch.syspath_prepend(file.parent)
    recipe = get_recipe("packaged_recipes.small:recipe")
    assert recipe.command_name == "packaged_recipes.small:recipe"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (FILE, "other", "has no recipe called 'other': it has recipe; give FILE.py:ATTRIBUTE"),
        (FILE, "number", "has no recipe called 'number'"),
        ("x = 1\ny = x / 0\n", "recipe", "cannot be run, line 2: ZeroDivisionError: division by zero"),
        ("recipe = (\n", "recipe", "cannot be run, line 1: SyntaxError"),
        ("import no_such_package\n", "recipe", "cannot be run, line 1: ModuleNotFoundError"),
    ],
)
def test_a_file_without_the_recipe_raises(file, text, name, message):
    file.write_text(text)
    with pytest.raises(InputError, match=message) as raised:
        get_recipe(f"{file}:{name}")
    assert "\n" not in str(raised.value)


def test_a_missing_file_or_module_raises(tmp_path):
    with pytest.raises(InputError, match="does not exist: give the file of a recipe as FILE"):
        get_recipe(f"{tmp_path / 'nowhere.py'}:recipe")
    with pytest.raises(InputError, match=r"no_such_package.recipes cannot be imported \(ModuleNotFound"):
        get_recipe("no_such_package.recipes:recipe")


@pytest.mark.parametrize("name", ["./tiny:recipe", ":recipe", "..:recipe", "folder/tiny:recipe"])
def test_a_name_that_is_neither_a_file_nor_a_module_raises(name):
    with pytest.raises(InputError, match=r"recipe '.*:recipe': expected FILE.py:ATTRIBUTE or PACKAGE.MODULE"):
        get_recipe(name)


def test_a_module_without_a_file_or_with_an_error_raises(file, monkeypatch):
    with pytest.raises(InputError, match="sys has no file"):
        get_recipe("sys:recipe")
    (file.parent / "broken_module.py").write_text("recipe = (\n")
    monkeypatch.syspath_prepend(file.parent)
    with pytest.raises(InputError, match=r"broken_module cannot be imported \(SyntaxError"):
        get_recipe("broken_module:recipe")


def test_a_changed_file_is_not_executed(file):
    source = get_recipe(f"{file}:recipe").source
    assert load_recipe(source).source == source
    file.write_text("raise RuntimeError")
    with pytest.raises(InputError, match=r"tiny.py has changed since the run \(its SHA-256 began with"):
        load_recipe(source)


def test_a_registered_recipe_is_found_by_its_name(monkeypatch):
    monkeypatch.setattr("jaxcnn.recipes.registry.ALL_RECIPES", dict(ALL_RECIPES))
    recipe = replace(RECIPES["lenet"], name="registered", reference=())
    assert register_recipe(recipe) is recipe
    assert get_recipe("registered") is recipe
    register_recipe(replace(recipe))
    with pytest.raises(InputError, match="recipe 'registered' is already registered"):
        register_recipe(replace(recipe, num_epochs=9))
