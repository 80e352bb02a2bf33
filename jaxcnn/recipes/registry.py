"""Recipes by name, and recipes in your own files."""

import difflib
import hashlib
import importlib
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from jaxcnn.errors import InputError
from jaxcnn.files import expand_path
from jaxcnn.recipes.modern import MODERN_RECIPES
from jaxcnn.recipes.recipe import Recipe, RecipeSource
from jaxcnn.recipes.reference import RECIPES
from jaxcnn.recipes.speedrun import SPEEDRUN_RECIPES

ALL_RECIPES: dict[str, Recipe] = RECIPES | MODERN_RECIPES | SPEEDRUN_RECIPES
"""All recipes by name: the book's, the modern ones, those of the speedrun and the registered ones."""


def register_recipe(recipe: Recipe) -> Recipe:
    """Register `recipe` by its name, for the command line and `get_recipe`, and return it.

    Raises:
        InputError: if another recipe has that name.
    """
    if ALL_RECIPES.setdefault(recipe.name, recipe) != recipe:
        raise InputError(f"recipe {recipe.name!r} is already registered: give it another name")
    return recipe


def get_recipe(name: str) -> Recipe:
    """Get the recipe called `name`, or load your own.

    Args:
        name: name of a recipe; or FILE.py:ATTRIBUTE or PACKAGE.MODULE:ATTRIBUTE for your own, such as
            ./allconv.py:recipe. The file is executed.

    Raises:
        InputError: if the recipe does not exist. The message lists all names.
    """
    if ":" in name:
        return _load(name)
    if name not in ALL_RECIPES:
        if name.endswith(".py"):
            raise InputError(f"recipe {name!r}: expected FILE.py:ATTRIBUTE, such as {name}:recipe")
        alike = difflib.get_close_matches(name, ALL_RECIPES, n=1)
        hint = f"did you mean {alike[0]}? Expected" if alike else "expected"
        raise InputError(
            f"recipe {name!r} is unknown: {hint} one of {', '.join(RECIPES)}, one of these with _modern appended, "
            f"{', '.join(SPEEDRUN_RECIPES)}, or FILE.py:ATTRIBUTE for your own"
        )
    return ALL_RECIPES[name]


def load_recipe(source: RecipeSource) -> Recipe:
    """Load a recipe from the place where it was found before. A changed file is not executed.

    Raises:
        InputError: if the place has no such recipe, or its file has another SHA-256.
    """
    path = Path(source.place)
    if path.suffix == ".py" and path.is_file():
        _check_sha256(source, _sha256(path))
    recipe = _load(str(source))
    assert recipe.source is not None
    _check_sha256(source, recipe.source.sha256)
    return recipe


def _check_sha256(source: RecipeSource, sha256: str) -> None:
    if source.sha256 != sha256:
        raise InputError(
            f"{source.place} has changed since the run (its SHA-256 began with {source.sha256[:8]}): restore it"
        )


def _load(name: str) -> Recipe:
    """Load the recipe at FILE.py:ATTRIBUTE or PACKAGE.MODULE:ATTRIBUTE."""
    place, _, attribute = name.rpartition(":")
    if place.endswith(".py"):
        place = str(expand_path(place).absolute())
    elif not all(part.isidentifier() for part in place.split(".")):
        raise InputError(f"recipe {name!r}: expected FILE.py:ATTRIBUTE or PACKAGE.MODULE:ATTRIBUTE")
    module = _run_file(Path(place)) if place.endswith(".py") else _import(place)
    recipe = getattr(module, attribute, None)
    if not isinstance(recipe, Recipe):
        there = [key for key, value in vars(module).items() if isinstance(value, Recipe)]
        raise InputError(
            f"{place} has no recipe called {attribute!r}: it has {', '.join(there) or 'none'}; give FILE.py:ATTRIBUTE"
        )
    assert module.__file__ is not None
    return replace(recipe, source=RecipeSource(place, attribute, _sha256(Path(module.__file__))))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _run_file(path: Path) -> ModuleType:
    """Execute the file `path` as a module."""
    if not path.is_file():
        raise InputError(f"{path} does not exist: give the file of a recipe as FILE.py:ATTRIBUTE")
    name = f"jaxcnn_recipes.{path.stem}"  # differs from the names of packages that the file may import
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up the types of their fields here
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # the file may raise any exception
        del sys.modules[name]
        raise InputError(f"{path} cannot be run{_line_of(error, path)}: {type(error).__name__}: {error}") from error
    return module


def _import(name: str) -> ModuleType:
    """Import the module called `name`."""
    try:
        module = importlib.import_module(name)
    except Exception as error:  # the module may raise any exception
        raise InputError(
            f"{name} cannot be imported ({type(error).__name__}: {error}): give PACKAGE.MODULE:ATTRIBUTE or "
            "FILE.py:ATTRIBUTE"
        ) from error
    if getattr(module, "__file__", None) is None:
        raise InputError(f"{name} has no file: give PACKAGE.MODULE:ATTRIBUTE or FILE.py:ATTRIBUTE")
    return module


def _line_of(error: BaseException, path: Path) -> str:
    """The line of the file `path` at which `error` was raised, as text; empty if unknown."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f", line {lines[-1]}" if lines else ""
