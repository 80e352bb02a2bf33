"""Measure what each ingredient of the speedrun is worth: leave it out, or replace it, and train again.

    python experiments/speedrun/ablation.py --output experiments/results/speedrun-ablation-avx2-2-cores.json

All accuracies are those of 5,000 validation images, held out of the training images. The runs are shorter than those of
the recipe. The same command continues with the next run. At the end, it times the steps of all variants in alternation.
"""

import json
import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import tyro
from flax import linen as nn
from measure import measure, prepare, read_results, summarize

from jaxcnn import data, layers, models, recipes, runs, training
from jaxcnn.files import write_file

VAL_FRACTION = 1 / 12
"""Share of the training images that are held out: 5,000."""

_SLOW_STATISTICS = partial(layers.library_batch_norm, momentum=0.9)

VARIANTS: dict[str, dict[str, Any]] = {
    "all ingredients": {},
    "SGD instead of Muon": {
        "optimizer": "sgd",
        "optimizer_options": {"momentum": 0.9, "nesterov": True},
        "learning_rate": 0.4,
        "weight_decay": 0.0005,
    },
    "AdamW instead of Muon": {
        "optimizer": "adamw",
        "optimizer_options": {},
        "learning_rate": 0.005,
        "weight_decay": 0.05,
    },
    "constant learning rate, no warm-up": {"schedule": "constant", "warmup_epochs": 0.0},
    "no warm-up": {"warmup_epochs": 0.0},
    "no weight decay": {"weight_decay": 0.0},
    "no label smoothing": {"label_smoothing": 0.0},
    "no flips": {"augmentation": data.Augmentation(flip=False, shift=1)},
    "no shifts": {"augmentation": data.Augmentation(flip=True)},
    "5 Newton-Schulz iterations instead of 3": {"optimizer_options": {"beta": 0.9, "ns_steps": 5}},
    "ReLU instead of GELU": {"model": models.CompactResNet(activation=nn.relu)},
    "momentum of batch norm 0.9": {"model": models.CompactResNet(norm=_SLOW_STATISTICS)},
    "wider, one residual less": {"model": models.CompactResNet(features=(64, 128, 256), residuals=(0, 1, 1))},
}
"""The settings of the recipe that each variant changes."""


def main(*, output: Path, seeds: int = 5, epochs: int = 4, variants: tuple[str, ...] = tuple(VARIANTS)) -> None:
    """Measure the variants, the first seed of each before the second.

    Args:
        output: JSON file, updated after each run.
        seeds: number of seeds, from 0.
        epochs: number of epochs of each run.
        variants: the variants.
    """
    recipe, dataset = recipes.get_recipe("speedrun").with_epochs(epochs), prepare()
    results = read_results(output, recipe)
    found = results.setdefault("variants", {})
    for seed in range(seeds):
        for name in variants:
            changed = replace(recipe, **VARIANTS[name])
            variant = found.setdefault(name, {"recipe": changed.settings(), "runs": []})
            if variant["recipe"] != changed.settings():
                raise SystemExit(f"{output} has other settings of the variant {name!r}: give another --output")
            if len(variant["runs"]) > seed:
                continue
            config = runs.RunConfig(changed, seed=seed, val_fraction=VAL_FRACTION)
            variant["runs"].append(measure(config, dataset))
            variant["summary"] = summarize(variant["runs"])
            write_file(output, json.dumps(results, indent=1) + "\n")
            print(json.dumps({name: variant["summary"]}))
    results["step_milliseconds"] = time_steps({name: replace(recipe, **VARIANTS[name]) for name in variants}, dataset)
    write_file(output, json.dumps(results, indent=1) + "\n")


def time_steps(
    variants: dict[str, recipes.Recipe], dataset: data.Dataset, *, steps: int = 20, rounds: int = 7
) -> dict[str, float]:
    """Time the training steps of recipes in alternation.

    Returns:
        The median milliseconds of a step of each, over the rounds.
    """
    milliseconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, recipe in variants.items():
            few = dataset.limit(steps * recipe.batch_size)
            state = runs.initial_state(runs.RunConfig(recipe), len(few.train), few.num_classes, few.image_shape[2])
            (epoch,) = training.fit(state, few, recipe.fit_options(num_epochs=1))
            milliseconds[name].append(1000 * recipe.batch_size / float(epoch.images_per_second))
    return {name: statistics.median(found) for name, found in milliseconds.items()}


if __name__ == "__main__":
    tyro.cli(main)
