"""Compare ResNet with modern training with the book's ResNet, after the same number of epochs.

    python experiments/modern_resnet.py WORKDIR --output experiments/results/modern-resnet-avx2-2-cores.json

The runs of several seeds are kept in WORKDIR/SEED, and the same command resumes them. They are those of

    jaxcnn train resnet_modern --val-fraction 0.1 --ema 0.999 --augment flip,shift:2,erase:0.5 --seed SEED

A seed takes 18 minutes on two cores. The test accuracies of the book's ResNet are those of the committed
reproduction.
"""

import json
import statistics
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

RESULTS = Path(__file__).parent / "results"


def modern_config(seed: int) -> runs.RunConfig:
    """The settings of the run with this seed."""
    augmentation, _ = data.parse_augmentation("flip,shift:2,erase:0.5")
    recipe = replace(recipes.get_recipe("resnet_modern"), ema_decay=0.999, augmentation=augmentation)
    return runs.RunConfig(recipe, seed=seed, val_fraction=0.1)


def reference_accuracies(path: Path) -> list[float]:
    """The test accuracy after five epochs of each run of `resnet` in a reproduction.json."""
    results = json.loads(path.read_text())["runs"]
    runs_of_resnet = [run["epochs"] for run in results if run["recipe"] == "resnet" and run["num_epochs"] == 5]
    found = [epochs[-1]["test_accuracy"] for epochs in runs_of_resnet if len(epochs) == 5]
    assert found, f"{path} has no runs of resnet"
    return found


def main(
    workdir: Path,
    /,
    *,
    output: Path,
    seeds: tuple[int, ...] = (0, 1, 2),
    reference: Path = RESULTS / "reproduction-avx512-2-cores.json",
) -> None:
    """Train the runs and write the comparison.

    Args:
        workdir: directory for the runs.
        output: JSON file, updated after each run.
        seeds: the seeds.
        reference: reproduction.json with runs of resnet.
    """
    configure_malloc()
    dataset = data.load_fashion_mnist()
    enable_compilation_cache()
    expected = reference_accuracies(reference)
    found: dict[str, Any] = {
        "device": describe_devices(find_devices(None, 1)),
        "versions": software_versions(),
        "resnet": {"reference": reference.name, "test_accuracies": expected, "mean": statistics.fmean(expected)},
        "resnet_modern": {},
    }
    for seed in seeds:
        epochs = runs.train(modern_config(seed), dataset, workdir / str(seed), writers=[writers.TerminalWriter()])
        found["resnet_modern"][str(seed)] = [epoch.as_json() for epoch in epochs]
        write_file(output, json.dumps(found, indent=1) + "\n")
        print(f"seed {seed}: test accuracy {epochs[-1].test_accuracy:.4f}, resnet {statistics.fmean(expected):.4f}")


if __name__ == "__main__":
    tyro.cli(main)
