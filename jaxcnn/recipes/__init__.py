"""The experiments: `RECIPES` are the nine of the book, `MODERN_RECIPES` the same networks as they are trained today.

`get_recipe` finds a recipe by its name or in your own file; `register_recipe` adds one of another package.
"""

from jaxcnn.recipes.modern import MODERN_RECIPES
from jaxcnn.recipes.optimizers import OPTIMIZERS, SCHEDULES
from jaxcnn.recipes.recipe import Recipe, RecipeSource, ReferenceEpoch
from jaxcnn.recipes.reference import HOW_THE_RUNS_WERE_MADE, RECIPES, SOURCE
from jaxcnn.recipes.registry import ALL_RECIPES, get_recipe, register_recipe

__all__ = [
    "ALL_RECIPES", "HOW_THE_RUNS_WERE_MADE", "MODERN_RECIPES", "OPTIMIZERS", "RECIPES", "SCHEDULES", "SOURCE", "Recipe",
    "RecipeSource", "ReferenceEpoch", "get_recipe", "register_recipe",
]  # fmt: skip
