"""The command lr-find: a learning rate range test."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.progress import Progress

from jaxcnn import recipes, runs
from jaxcnn.cli.options import later, option, print_line
from jaxcnn.cli.recipe_options import RecipeOptions
from jaxcnn.cli.training import DataOptions, Dtype, Flag, Group, Platform
from jaxcnn.errors import InputError
from jaxcnn.files import write_file
from jaxcnn.platform import configure_malloc, enable_compilation_cache
from jaxcnn.recipes import Recipe
from jaxcnn.training import RangeTest
from jaxcnn.words import count_of
from jaxcnn.writers import PlainConsole, say

_NotUsed = tyro.conf.Suppress[tyro.conf.Fixed[None]]


@dataclass(frozen=True)
class RangeRecipe(RecipeOptions):
    """Changes of the recipe."""

    epochs: _NotUsed = None
    learning_rate: _NotUsed = None
    schedule: _NotUsed = None
    warmup_epochs: _NotUsed = None
    ema: _NotUsed = None
    freeze: _NotUsed = None


@dataclass(frozen=True)
class RangeOptions:
    """Options of the test.

    Attributes:
        min: learning rate of the first step.
        max: learning rate of the last step.
        steps: number of steps.
        seed: random seed of initialization, dropout, augmentation and the order of the data.
        seeds: number of runs, with the seeds from --seed. The range of their suggestions shows the uncertainty.
        output: new PNG file for the curve.
        json: print the rates, losses and suggestions as a JSON object, and draw the curve only with --output.
    """

    min: float = 1e-6
    max: float = 10.0
    steps: int = 200
    seed: int = 0
    seeds: int = 3
    output: Annotated[Path | None, option("FILE", "lr-find-NAME.png")] = None
    json: Flag[bool] = False

    def find_output(self, recipe: Recipe) -> Path | None:
        """The file for the curve; None for no curve.

        Raises:
            InputError: if it exists, its folder does not, or its name does not end in .png.
        """
        path = self.output or (None if self.json else Path(f"lr-find-{recipe.name}.png"))
        if path is None:
            return None
        if path.suffix.lower() != ".png":
            raise InputError(f"--output {path}: expected a name that ends in .png")
        if path.exists():
            raise InputError(f"{path} exists: remove it, or give another --output")
        if not path.parent.is_dir():
            raise InputError(f"--output {path}: the folder {path.parent} does not exist; create it first")
        return path


@later
def lr_find(
    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")],
    test: Group[RangeOptions] = RangeOptions(),
    recipe: Group[RangeRecipe] = RangeRecipe(),
    data: Group[DataOptions] = DataOptions(),
    *,
    platform: Annotated[Platform | None, option("{cpu,gpu,tpu}", "the fastest one here")] = None,
    dtype: Dtype = "float32",
) -> None:
    """Suggest a learning rate.

    Train for a few steps while the learning rate rises exponentially.

    The suggestion is one tenth of the rate with the lowest smoothed loss.

    With several seeds, it is the lowest of their suggestions.

    Args:
        name: the recipe, as for train. Its learning rate and schedule are not used.
        test: the learning rate range test.
        recipe: changes of the recipe.
        data: the images.
        platform: what to compute on.
        dtype: type of the computation.
    """
    changed = recipe.change(recipes.get_recipe(name))
    config = runs.RunConfig(
        changed, test.seed, platform, dtype, data.limit, val_fraction=data.val_fraction, val_seed=data.val_seed
    )
    recipe.check_optimizer(changed)
    output = test.find_output(changed)
    configure_malloc()
    dataset = data.load(platform, changed.image_size)
    config = config.with_data(dataset, data.data)
    enable_compilation_cache()
    console = PlainConsole()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("training", total=test.steps)
        found = runs.find_learning_rate(
            config, dataset, min_rate=test.min, max_rate=test.max, num_steps=test.steps, num_seeds=test.seeds,
            on_step=lambda step: progress.update(task, completed=step),
        )  # fmt: skip
    if test.json:
        print_line(json.dumps(_as_json(found, config)))
    else:
        for line in _describe(found, config, test.steps):
            say(console, line, wrap=True)
    if output is not None:
        _draw(found, changed.title, output)
        if not test.json:
            print_line(f"wrote {output}")


def _draw(test: RangeTest, title: str, path: Path) -> None:
    from jaxcnn.report import draw_range_test  # here, because matplotlib imports slowly

    try:
        write_file(path, draw_range_test(test, title))
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): give another --output") from error


def _describe(test: RangeTest, config: runs.RunConfig, num_steps: int) -> list[str]:
    """Describe the test, which ends before `num_steps` if it diverges, and the suggestion."""
    recipe, steps = config.recipe, len(test.rates)
    seeds = [str(config.seed + number) for number in range(len(test.losses))]
    diverged = ", where the loss diverges" if steps < num_steps else ""
    lines = [
        f"{recipe.title}: {count_of(steps, 'step')} of {recipe.batch_size} images, learning rates from "
        f"{test.rates[0]:.2g} to {test.rates[-1]:.2g}{diverged}; seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
    ]
    if test.suggestion is None:
        return [
            *lines,
            "no suggestion: the loss falls by less than 5 %, or is lowest at the last rate; give a higher --max "
            "or more --steps",
        ]
    by_seed = ", ".join("none" if math.isnan(rate) else f"{rate:.2g}" for rate in test.suggestions)
    several = f" (by seed: {by_seed})" if len(seeds) > 1 else ""
    lines.append(f"suggested learning rate: {test.suggestion:.2g}{several}")
    if recipe.schedule != "constant" or recipe.warmup_epochs:
        lines.append(f"give it as --learning-rate, the highest rate of the {recipe.schedule} schedule")
    return lines


def _as_json(test: RangeTest, config: runs.RunConfig) -> dict[str, Any]:
    """The test as JSON; a number that is not finite is null."""
    seeds = range(config.seed, config.seed + len(test.losses))
    return {
        "recipe": config.recipe.name,
        "suggestion": test.suggestion,
        "suggestions": dict(zip(seeds, map(_finite, test.suggestions), strict=True)),
        "rates": test.rates.tolist(),
        "losses": {seed: [*map(_finite, losses)] for seed, losses in zip(seeds, test.losses, strict=True)},
    }


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
