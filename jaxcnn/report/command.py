"""The command that repeats a run."""

import json
import shlex

from jaxcnn.data import name_augmentation
from jaxcnn.recipes import Recipe, get_recipe
from jaxcnn.runs import RunConfig


def command_of(config: RunConfig) -> str:
    """The command that repeats a run with these settings. Settings that no option can express are left out.

    Examples:
        >>> command_of(RunConfig(get_recipe("lenet"), seed=3))
        'jaxcnn train lenet --seed 3'
    """
    recipe = config.recipe
    usual = get_recipe(recipe.command_name)
    options = {
        "epochs": (recipe.num_epochs, usual.num_epochs),
        "batch-size": (recipe.batch_size, usual.batch_size),
        "learning-rate": (recipe.learning_rate, usual.learning_rate),
        "optimizer": (_optimizer_words(recipe), _optimizer_words(usual)),
        "schedule": (recipe.schedule, usual.schedule),
        "warmup-epochs": (recipe.warmup_epochs, usual.warmup_epochs),
        "weight-decay": (recipe.weight_decay, usual.weight_decay),
        "clip-norm": (recipe.clip_norm, usual.clip_norm),
        "label-smoothing": (recipe.label_smoothing, usual.label_smoothing),
        "accumulate": (recipe.accumulate, usual.accumulate),
        "ema": (recipe.ema_decay, usual.ema_decay),
        "augment": (
            name_augmentation(recipe.augmentation, recipe.mixing),
            name_augmentation(usual.augmentation, usual.mixing),
        ),
        "class-weights": (_class_weights_words(recipe), _class_weights_words(usual)),
        "freeze": (",".join(recipe.freeze) or "none", ",".join(usual.freeze) or "none"),
        "seed": (config.seed, 0),
        "init-from": (config.init_from.source if config.init_from else None, None),
        "data": (config.data.source, None),
        "limit": (config.limit, None),
        "val-fraction": (config.val_fraction, None),
        "val-seed": (config.val_seed, 0),
        "patience": (config.patience, None),
        "until": (config.until, None),
        "dtype": (config.dtype, "float32"),
    }
    words = ["jaxcnn", "train", recipe.command_name]
    for name, (value, default) in options.items():
        if value != default and value is not None:
            words += [f"--{name}", str(value)]
    flags = {
        "--normalize": recipe.normalization is not None and usual.normalization is None,
        "--deterministic": config.deterministic,
    }
    return shlex.join([*words, *(flag for flag, is_set in flags.items() if is_set)])


def _optimizer_words(recipe: Recipe) -> str | None:
    """The optimizer of a recipe with its arguments, as --optimizer takes them; None if it cannot take them."""
    if not all(value is None or isinstance(value, int | float) for value in recipe.optimizer_options.values()):
        return None
    arguments = ",".join(f"{name}={json.dumps(value)}" for name, value in recipe.optimizer_options.items())
    return f"{recipe.optimizer}:{arguments}" if arguments else recipe.optimizer


def _class_weights_words(recipe: Recipe) -> str | None:
    """The class weights of a recipe, as --class-weights takes them."""
    return (
        ",".join(map(repr, recipe.class_weights)) if isinstance(recipe.class_weights, tuple) else recipe.class_weights
    )
