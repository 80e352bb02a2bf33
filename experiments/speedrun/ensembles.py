"""Measure groups of runs of the speedrun whose probabilities are averaged: their test accuracy and their time.

    python experiments/speedrun/ensembles.py speedrun --output experiments/results/speedrun-ensembles-avx2-2-cores.json

The runs of a group are those of `jaxcnn train speedrun --seeds 4 --seed SEED`, in one program. No run is in two groups.
The same command continues with the next group. It begins an interrupted group again.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from measure import TTA, prepare, read_results

from jaxcnn import data, recipes, runs, writers
from jaxcnn.files import write_file
from jaxcnn.platform import set_num_cpu_devices


def measure_group(config: runs.RunConfig, dataset: data.Dataset, members: int) -> dict[str, Any]:
    """Train `members` runs in one program, and evaluate the mean of the first, of the first two, and so on.

    Returns:
        The seeds; the test accuracies of these means, without and with test-time augmentation; the seconds of all runs
        from the first step to the last, without compilation and evaluation; the seconds of compilation.
    """
    with tempfile.TemporaryDirectory() as workdir:
        configs = runs.sweep(config, Path(workdir), learning_rates=[config.recipe.learning_rate], num_seeds=members)
        results = runs.train_ensemble(configs, dataset, writers=[writers.TerminalWriter()])
        found: dict[str, Any] = {"seeds": [each.seed for each in configs.values()]}
        for name, views in (("accuracy", None), ("accuracy_tta", data.parse_views(TTA))):
            found[name] = _accuracies([runs.TrainedRun.open(path, views=views) for path in configs], dataset)
    num_images = members * len(dataset.train)
    found["seconds"] = sum(num_images / float(epoch.images_per_second) for epoch in results[0])
    found["compile_seconds"] = sum(float(epoch.compile_seconds) for epochs in results for epoch in epochs)
    return found


def _accuracies(opened: list[runs.TrainedRun], dataset: data.Dataset) -> list[float]:
    """The test accuracy of the first run, of the mean of the first two, and so on."""
    evaluations = [run.evaluate(dataset) for run in opened]
    sums = np.cumsum([each.probabilities for each in evaluations], axis=0)
    return [float((total.argmax(-1) == evaluations[0].labels).mean()) for total in sums]


def main(name: str, /, *, output: Path, members: int = 4, groups: int = 5, epochs: int | None = None) -> None:
    """Measure groups of runs.

    Args:
        name: the recipe.
        output: JSON file, updated after each group.
        members: number of runs in a group.
        groups: number of groups; the first has the seeds from 0.
        epochs: number of epochs; None for that of the recipe.
    """
    set_num_cpu_devices()
    recipe, dataset = recipes.get_recipe(name), prepare()
    recipe = recipe if epochs is None else recipe.with_epochs(epochs)
    results = read_results(output, recipe)
    if results.setdefault("members", members) != members:
        raise SystemExit(f"{output} has groups of {results['members']} runs: give another --output")
    measured = results.setdefault("groups", [])
    for seed in range(members * len(measured), members * groups, members):
        measured.append(measure_group(runs.RunConfig(recipe, seed=seed), dataset, members))
        write_file(output, json.dumps(results, indent=1) + "\n")
        print(json.dumps(measured[-1]))


if __name__ == "__main__":
    tyro.cli(main)
