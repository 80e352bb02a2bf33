"""Recipes: `RECIPES` are the book's nine, `MODERN_RECIPES` train the same networks with modern methods.

`SPEEDRUN_RECIPES` are for a high test accuracy in little time.

`get_recipe` finds a recipe by its name or loads it from your own file; `register_recipe` adds one by name.
"""

from jaxcnn.recipes.adam import adam_epsilon_hat
from jaxcnn.recipes.modern import MODERN_RECIPES
from jaxcnn.recipes.muon import filter_muon
from jaxcnn.recipes.optimizers import OPTIMIZERS, SCHEDULES
from jaxcnn.recipes.recipe import Recipe, RecipeSource, ReferenceEpoch, setting_names
from jaxcnn.recipes.reference import HOW_THE_RUNS_WERE_MADE, RECIPES, SOURCE
from jaxcnn.recipes.registry import ALL_RECIPES, get_recipe, load_recipe, register_recipe
from jaxcnn.recipes.speedrun import SPEEDRUN_RECIPES

__all__ = [
    "ALL_RECIPES", "HOW_THE_RUNS_WERE_MADE", "MODERN_RECIPES", "OPTIMIZERS", "RECIPES", "SCHEDULES", "SOURCE",
    "SPEEDRUN_RECIPES", "Recipe", "RecipeSource", "ReferenceEpoch", "adam_epsilon_hat", "filter_muon", "get_recipe",
    "load_recipe", "register_recipe", "setting_names",
]  # fmt: skip
