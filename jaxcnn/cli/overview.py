"""Commands that show what there is: list, summary."""

from collections.abc import Mapping
from typing import Annotated

import tyro
from rich.console import Console

from jaxcnn.cli.options import later
from jaxcnn.models import summarize
from jaxcnn.recipes import (
    HOW_THE_RUNS_WERE_MADE,
    MODERN_RECIPES,
    RECIPES,
    SOURCE,
    SPEEDRUN_RECIPES,
    Recipe,
    get_recipe,
)
from jaxcnn.writers import PlainConsole, make_table, say, show_table


@later
def show_recipes() -> None:
    """Show the recipes."""
    print_recipes(PlainConsole())


def print_recipes(console: Console) -> None:
    """Print a row for each recipe: the book's with its figures of the last epoch, and those of this package."""
    title = "jaxcnn train NAME; the book's loss and accuracies after 5 epochs"
    headings = ("name", "sect.", "parameters", "size", "rate", "loss", "train", "test")
    table = make_table(title, headings, left=["name"])
    for recipe in RECIPES.values():
        last = recipe.reference[-1]
        table.add_row(
            recipe.name,
            recipe.section,
            f"{recipe.num_parameters:,}",
            str(recipe.image_size),
            f"{recipe.learning_rate:g}",
            f"{last.loss:.4f}",
            f"{last.train_accuracy:.3f}",
            f"{last.test_accuracy:.3f}",
        )
    show_table(console, table)
    say(console, f"The book: {SOURCE}.", wrap=True)
    say(console, f"{HOW_THE_RUNS_WERE_MADE}\n", wrap=True)
    _show_own_recipes(console, "the same networks with modern training", MODERN_RECIPES)
    _show_own_recipes(console, "the speedrun: high test accuracy in little time", SPEEDRUN_RECIPES)


def _show_own_recipes(console: Console, title: str, recipes: Mapping[str, Recipe]) -> None:
    table = make_table(title, ("name", "epochs", "batch", "rate", "decay", "images"), left=["name"])
    for recipe in recipes.values():
        table.add_row(
            recipe.name,
            str(recipe.num_epochs),
            str(recipe.batch_size),
            f"{recipe.learning_rate:g}",
            f"{recipe.weight_decay:g}",
            "as they are" if recipe.augmentation is None else str(recipe.augmentation),
        )
    show_table(console, table)


@later
def show_summary(name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]) -> None:
    """Show a network layer by layer: output shapes, parameters and FLOPs.

    Args:
        name: the recipe, such as lenet; or your own, as FILE.py:ATTRIBUTE or PACKAGE.MODULE:ATTRIBUTE.
    """
    recipe, console = get_recipe(name), PlainConsole()
    layers = summarize(recipe.model, (recipe.image_size, recipe.image_size, 1))
    size = f"{recipe.image_size}x{recipe.image_size}"
    title = f"{recipe.title} for images of {size}"
    table = make_table(title, ("layer", "output", "parameters", "FLOPs"), left=["layer"])
    for layer in layers:
        output = "x".join(map(str, layer.output_shape))
        table.add_row(layer.name, output, f"{layer.num_parameters:,}", f"{layer.flops:,}")
    table.add_section()
    total = (sum(layer.num_parameters for layer in layers), sum(layer.flops for layer in layers))
    table.add_row("total", "", *(f"{count:,}" for count in total))
    show_table(console, table)
    say(
        console,
        "FLOPs: of convolutions and dense layers, for one image; a multiplication and an addition are two.",
        wrap=True,
    )
    if recipe.reference_shapes:
        say(console, f"Shapes in the book: {' -> '.join(recipe.reference_shapes.split())}", wrap=True)
    if recipe.note:
        say(console, f"How the book trained it: {recipe.note}", wrap=True)
