"""The experiments: `RECIPES`, the nine of the book, and `MODERN_RECIPES`, as these networks are trained today."""

from jaxcnn.errors import InputError
from jaxcnn.recipes.modern import MODERN_RECIPES
from jaxcnn.recipes.recipe import Recipe, ReferenceEpoch
from jaxcnn.recipes.reference import HOW_THE_RUNS_WERE_MADE, RECIPES, SOURCE

__all__ = [
    "ALL_RECIPES", "HOW_THE_RUNS_WERE_MADE", "MODERN_RECIPES", "RECIPES", "SOURCE", "Recipe", "ReferenceEpoch",
    "get_recipe",
]  # fmt: skip

ALL_RECIPES = RECIPES | MODERN_RECIPES
"""Every recipe by its name."""


def get_recipe(name: str) -> Recipe:
    """The recipe called `name`.

    Raises:
        InputError: if there is none of that name; it says which names there are.
    """
    if name not in ALL_RECIPES:
        raise InputError(
            f"no recipe is called {name!r}: choose one of {', '.join(RECIPES)}, or one of these with _modern after it"
        )
    return ALL_RECIPES[name]
