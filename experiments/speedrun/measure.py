"""Measure a recipe of the speedrun by its rules: the test accuracy and the time of several seeds.

    python experiments/speedrun/measure.py speedrun --output experiments/results/speedrun-avx2-2-cores.json

The runs are those of `jaxcnn train speedrun --seed SEED`. `--epochs` shortens them. The same command continues with the
next seed. It begins an interrupted seed again, because an interruption changes the time.
"""

import json
import statistics
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import tyro

from jaxcnn import data, recipes, runs, writers
from jaxcnn.files import write_file
from jaxcnn.platform import (
    configure_malloc,
    describe_devices,
    enable_compilation_cache,
    find_devices,
    software_versions,
)

TTA = "flip,shift:1"
"""The views of test-time augmentation."""

Measurement = dict[str, Any]


def measure(config: runs.RunConfig, dataset: data.Dataset) -> Measurement:
    """Train a run and measure it.

    Returns:
        The seed; the accuracy after the last step, without and with test-time augmentation, on the validation images if
        the run has a validation split and else on the test images; the seconds from the first step to the last, without
        compilation and evaluation; the seconds of compilation.
    """
    with tempfile.TemporaryDirectory() as workdir:
        epochs = runs.train(config, dataset, workdir, writers=[writers.TerminalWriter()])
        run = runs.TrainedRun.open(workdir)
    split = "test" if config.val_fraction is None else "val"
    num_examples = len(config.hold_out(dataset).train)
    return {
        "seed": config.seed,
        "accuracy": run.evaluate(dataset, split).accuracy,
        "accuracy_tta": replace(run, views=data.parse_views(TTA)).evaluate(dataset, split).accuracy,
        "seconds": sum(num_examples / float(epoch.images_per_second) for epoch in epochs),
        "compile_seconds": sum(float(epoch.compile_seconds) for epoch in epochs),
    }


def summarize(measurements: Iterable[Measurement]) -> dict[str, float]:
    """The mean and the standard deviation of the accuracies, the median time, and the longest compilation.

    The runs after the first find its compiled programs.
    """
    found = list(measurements)
    summary: dict[str, float] = {"seeds": len(found)}
    for name in ("accuracy", "accuracy_tta"):
        values = [each[name] for each in found]
        summary[name] = statistics.fmean(values)
        summary[f"{name}_sd"] = statistics.stdev(values) if len(values) > 1 else 0.0
    summary["seconds"] = statistics.median(each["seconds"] for each in found)
    summary["compile_seconds"] = max(each["compile_seconds"] for each in found)
    return summary


def prepare() -> data.Dataset:
    """Load the images, and set up the process as the command line does."""
    configure_malloc()
    dataset = data.load_fashion_mnist()
    enable_compilation_cache()
    return dataset


def read_results(path: Path, recipe: recipes.Recipe) -> dict[str, Any]:
    """Read the results in the JSON file `path`; without the file, make those of no run."""
    about = {
        "device": describe_devices(find_devices(None, 1)),
        "versions": software_versions(),
        "tta": TTA,
        "recipe": recipe.settings(),
    }
    found = json.loads(path.read_text()) if path.exists() else about
    for key, value in about.items():
        if found[key] != value:
            raise SystemExit(f"{path} has another {key}: give another --output")
    return found


def main(name: str, /, *, output: Path, seeds: int = 20, epochs: int | None = None) -> None:
    """Measure a recipe.

    Args:
        name: the recipe.
        output: JSON file, updated after each seed.
        seeds: number of seeds, from 0.
        epochs: number of epochs; None for that of the recipe.
    """
    recipe, dataset = recipes.get_recipe(name), prepare()
    recipe = recipe if epochs is None else recipe.with_epochs(epochs)
    results = read_results(output, recipe)
    measured = results.pop("runs", [])
    for seed in range(len(measured), seeds):
        measured.append(measure(runs.RunConfig(recipe, seed=seed), dataset))
        results["summary"] = summarize(measured)
        write_file(output, json.dumps(results | {"runs": measured}, indent=1) + "\n")
        print(json.dumps(results["summary"]))


if __name__ == "__main__":
    tyro.cli(main)
