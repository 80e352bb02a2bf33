"""The speedrun: recipes for a high test accuracy on Fashion-MNIST in little time.

`experiments/speedrun` has the rules and the scripts that measure them.
"""

from dataclasses import replace

from jaxcnn import models
from jaxcnn.data import Augmentation, Chain, RandomErasing
from jaxcnn.recipes.recipe import Recipe

SPEEDRUN = Recipe(
    name="speedrun",
    title="CompactResNet",
    model=models.CompactResNet(),
    image_size=28,
    learning_rate=0.05,
    num_epochs=16,
    optimizer="filter_muon",
    optimizer_options={"beta": 0.9, "ns_steps": 3},
    schedule="linear",
    warmup_epochs=2.0,
    weight_decay=0.02,
    label_smoothing=0.1,
    augmentation=Augmentation(flip=True, shift=1),
)

_FLIPS_SHIFTS_AND_ERASING = Chain((Augmentation(flip=True, shift=1), RandomErasing(0.5)))

# For 95 %, with the mean of several runs. Longer training needs more augmentation.
FMNIST95 = replace(SPEEDRUN, name="fmnist95", num_epochs=40, augmentation=_FLIPS_SHIFTS_AND_ERASING)

SPEEDRUN_RECIPES = {recipe.name: recipe for recipe in (SPEEDRUN, FMNIST95)}
"""The recipes of the speedrun by name."""
