"""Recipes by name, and recipes in files of one's own."""

import difflib
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from jaxcnn.errors import InputError
from jaxcnn.recipes.modern import MODERN_RECIPES
from jaxcnn.recipes.recipe import Recipe, RecipeSource
from jaxcnn.recipes.reference import RECIPES

ALL_RECIPES: dict[str, Recipe] = RECIPES | MODERN_RECIPES
"""Every recipe by its name: the book's, the modern ones, and those that were registered."""


def register_recipe(recipe: Recipe) -> Recipe:
    """Let the command line and `get_recipe` know `recipe` by its name; returns it.

    Raises:
        InputError: if there is another one of that name.
    """
    if ALL_RECIPES.setdefault(recipe.name, recipe) != recipe:
        raise InputError(f"a recipe called {recipe.name!r} is there already: give it another name")
    return recipe


def get_recipe(name: str) -> Recipe:
    """The recipe called `name`, or the one that is where `name` says.

    Args:
        name: the name of a recipe; or FILE.py:ATTRIBUTE or PACKAGE.MODULE:ATTRIBUTE for one of your own, such as
            ./allconv.py:recipe. The file is run.

    Raises:
        InputError: if there is none; it says which names there are.
    """
    if ":" in name:
        return _load(name)
    if name not in ALL_RECIPES:
        alike = difflib.get_close_matches(name, ALL_RECIPES, n=1)
        hint = f"did you mean {alike[0]}? There are" if alike else "choose one of"
        raise InputError(
            f"no recipe is called {name!r}: {hint} {', '.join(RECIPES)}, these with _modern after it, and "
            "FILE.py:ATTRIBUTE for one of your own"
        )
    return ALL_RECIPES[name]


def _load(name: str) -> Recipe:
    """The recipe at FILE.py:ATTRIBUTE or PACKAGE.MODULE:ATTRIBUTE."""
    place, _, attribute = name.rpartition(":")
    if place.endswith(".py"):
        place = str(Path(place).expanduser().absolute())
    module = _run_file(Path(place)) if place.endswith(".py") else _import(place)
    recipe = getattr(module, attribute, None)
    if not isinstance(recipe, Recipe):
        there = [key for key, value in vars(module).items() if isinstance(value, Recipe)]
        raise InputError(
            f"{place} has no recipe called {attribute!r}: it has {', '.join(there) or 'none'}; give FILE.py:ATTRIBUTE"
        )
    assert module.__file__ is not None
    digest = hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest()
    return replace(recipe, source=RecipeSource(place, attribute, digest))


def _run_file(path: Path) -> ModuleType:
    """The module that the file `path` is."""
    if not path.is_file():
        raise InputError(f"{path} is not there: give the file of a recipe as FILE.py:ATTRIBUTE")
    name = f"jaxcnn_recipes.{path.stem}"  # not that of a package which its author may import
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for the types of their fields
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the file raises
        del sys.modules[name]
        raise InputError(f"{path} cannot be run{_line_of(error, path)}: {type(error).__name__}: {error}") from error
    return module


def _import(name: str) -> ModuleType:
    """The module called `name`, of a package or in the working directory."""
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"{name} cannot be imported ({error}): give PACKAGE.MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE"
        ) from error
    if module.__file__ is None:
        raise InputError(f"{name} is a folder without a file of its own: give a module in it")
    return module


def _line_of(error: BaseException, path: Path) -> str:
    """Where in the file `path` it was raised, in words."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f", line {lines[-1]}" if lines else ""
