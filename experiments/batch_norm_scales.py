"""Test whether the book's batch norm in sections 4.10 to 4.12 has initial gamma from U(0, 1) or gamma 1.

    python experiments/batch_norm_scales.py [NAMES ...] [--seeds 1] [--output FILE]

The script trains each network with both, and compares the training losses of each epoch with the book's. All other
settings are equal.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import tyro
from rich.console import Console

from jaxcnn import data, layers, recipes, training
from jaxcnn.files import write_file
from jaxcnn.platform import (
    configure_malloc,
    describe_devices,
    enable_compilation_cache,
    find_devices,
    software_versions,
)
from jaxcnn.runs import RunConfig, initial_state

NORMS = {"U(0, 1)": layers.uniform_scale_batch_norm, "1": layers.library_batch_norm}


def losses(name: str, gamma: str, seed: int, dataset: data.Dataset, num_epochs: int) -> list[float]:
    """The training loss of each epoch of the recipe called `name`, with the initial scales `gamma`."""
    recipe = recipes.RECIPES[name]
    model = recipe.model.clone(norm=NORMS[gamma])
    config = RunConfig(replace(recipe, model=model, num_epochs=num_epochs), seed=seed)
    state = initial_state(config, len(dataset.train), dataset.num_classes, dataset.image_shape[2])
    epochs = training.fit(state, dataset, num_epochs=num_epochs, batch_size=recipe.batch_size)
    return [epoch.train_loss for epoch in epochs]


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = ("lenet_bn", "resnet", "densenet"),
    /,
    seeds: int = 1,
    epochs: int = 5,
    limit: int | None = None,
    output: Path | None = None,
) -> None:
    """Compare both initial scales with the book.

    Args:
        names: recipes that use the library's batch norm.
        seeds: number of runs with each initial scale.
        epochs: number of epochs of each run.
        limit: number of examples to take from the start of each split; all by default.
        output: JSON file for the losses, updated after each run; none by default.
    """
    configure_malloc()
    dataset = data.load_fashion_mnist().limit(limit)
    enable_compilation_cache()
    console = Console(width=100)
    about = {"device": describe_devices(find_devices(None, 1)), "versions": software_versions()}
    results: dict[str, Any] = {**about, "losses": {}}
    for name in names:
        book = [epoch.loss for epoch in recipes.RECIPES[name].reference[:epochs]]
        console.print(f"{name:12} the book       {_line(book)}", highlight=False)
        found: dict[str, Any] = {"the book": book}
        results["losses"][name] = found
        for gamma in NORMS:
            found[f"gamma {gamma}"] = {}
            for seed in range(seeds):
                found[f"gamma {gamma}"][str(seed)] = losses(name, gamma, seed, dataset, epochs)
                console.print(
                    f"{name:12} gamma {gamma:7}  {_line(found[f'gamma {gamma}'][str(seed)])}", highlight=False
                )
                if output is not None:
                    write_file(output, json.dumps(results, indent=1) + "\n")
        jax.clear_caches()


def _line(losses: list[float]) -> str:
    return "  ".join(f"{loss:.4f}" for loss in losses)


if __name__ == "__main__":
    tyro.cli(main)
