"""Train ResNet with modern training, for as many epochs as the book's ResNet.

    python experiments/modern_resnet.py WORKDIR --output experiments/results/modern-resnet-avx2-2-cores.json

The runs of several seeds are kept in WORKDIR/SEED, and the same command resumes them. They are those of

    jaxcnn train resnet_modern --val-fraction 0.1 --ema 0.999 --augment flip,shift:2,erase:0.5 --seed SEED

A seed takes 18 minutes on two cores.
"""

import json
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


def modern_config(seed: int) -> runs.RunConfig:
    """The settings of the run with this seed."""
    augmentation, _ = data.parse_augmentation("flip,shift:2,erase:0.5")
    recipe = replace(recipes.get_recipe("resnet_modern"), ema_decay=0.999, augmentation=augmentation)
    return runs.RunConfig(recipe, seed=seed, val_fraction=0.1)


def main(workdir: Path, /, *, output: Path, seeds: tuple[int, ...] = (0, 1, 2)) -> None:
    """Train the runs and write their metrics.

    Args:
        workdir: directory for the runs.
        output: JSON file, updated after each run.
        seeds: the seeds.
    """
    configure_malloc()
    dataset = data.load_fashion_mnist()
    enable_compilation_cache()
    found: dict[str, Any] = {
        "device": describe_devices(find_devices(None, 1)),
        "versions": software_versions(),
        "resnet_modern": {},
    }
    for seed in seeds:
        epochs = runs.train(modern_config(seed), dataset, workdir / str(seed), writers=[writers.TerminalWriter()])
        found["resnet_modern"][str(seed)] = [epoch.as_json() for epoch in epochs]
        write_file(output, json.dumps(found, indent=1) + "\n")
        print(f"seed {seed}: test accuracy {epochs[-1].test_accuracy:.4f}")


if __name__ == "__main__":
    tyro.cli(main)
