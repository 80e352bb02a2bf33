"""The command that repeats a run."""

import json
import shlex
from typing import Any

from jaxcnn.data import name_augmentation
from jaxcnn.errors import InputError
from jaxcnn.recipes import Recipe, get_recipe
from jaxcnn.runs import RunConfig
from jaxcnn.runs.data_spec import ARRAYS


def command_of(config: RunConfig) -> str:
    """The command that repeats a run with these settings; empty if no command trains the recipe, or has its data.

    Settings that no option can express are left out.

    Examples:
        >>> command_of(RunConfig(get_recipe("lenet"), seed=3))
        'jaxcnn train lenet --seed 3'
    """
    try:
        recipe = get_recipe(config.recipe.command_name)
    except InputError:  # a recipe of a script
        return ""
    if config.data.source == ARRAYS:
        return ""
    usual = option_values(RunConfig(recipe))
    usual["warmup-epochs"] = recipe.with_epochs(config.recipe.num_epochs).warmup_epochs  # as --epochs sets it
    words = ["jaxcnn", "train", recipe.command_name]
    for name, value in option_values(config).items():
        is_changed = value != usual[name]
        if name == "normalize":
            is_changed = config.recipe.normalization not in (None, recipe.normalization)
        if is_changed and value is not None:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return shlex.join(words)


def option_values(config: RunConfig) -> dict[str, Any]:
    """The value of each option of `jaxcnn train` that gives these settings; None if no value does."""
    recipe = config.recipe
    return {
        "epochs": recipe.num_epochs,
        "batch-size": recipe.batch_size,
        "learning-rate": recipe.learning_rate,
        "optimizer": _optimizer_words(recipe),
        "schedule": recipe.schedule,
        "warmup-epochs": recipe.warmup_epochs,
        "weight-decay": recipe.weight_decay,
        "clip-norm": recipe.clip_norm,
        "label-smoothing": recipe.label_smoothing,
        "accumulate": recipe.accumulate,
        "ema": recipe.ema_decay,
        "augment": name_augmentation(recipe.augmentation, recipe.mixing),
        "class-weights": _class_weights_words(recipe),
        "freeze": ",".join(recipe.freeze) or "none",
        "normalize": recipe.normalization is not None,
        "seed": config.seed,
        "init-from": None if config.init_from is None else config.init_from.source,
        "data": config.data.source,
        "limit": config.limit,
        "val-fraction": config.val_fraction,
        "val-seed": config.val_seed,
        "patience": config.patience,
        "until": config.until,
        "dtype": config.dtype,
        "deterministic": config.deterministic,
    }


def _optimizer_words(recipe: Recipe) -> str | None:
    """The optimizer of a recipe with its arguments, as --optimizer takes them; None if it cannot take them."""
    if not all(value is None or isinstance(value, int | float) for value in recipe.optimizer_options.values()):
        return None
    arguments = ",".join(f"{name}={json.dumps(value)}" for name, value in recipe.optimizer_options.items())
    return f"{recipe.optimizer}:{arguments}" if arguments else recipe.optimizer


def _class_weights_words(recipe: Recipe) -> str:
    """The class weights of a recipe, as --class-weights takes them."""
    weights = recipe.class_weights or "none"
    return weights if isinstance(weights, str) else ",".join(map(repr, weights))
