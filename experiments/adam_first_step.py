"""Measure how the place of Adam's epsilon changes the first step of the book's networks.

    python experiments/adam_first_step.py [NAMES ...] [--seeds 3] [--output FILE]

In its first step, Adam moves a parameter with the gradient g by learning_rate * g / (|g| + epsilon). Here, epsilon is
eps if it is added after the correction of the bias, and eps / sqrt(1 - b2) if it is added before. The script counts the
parameters with |g| < epsilon, which move by less than half of the learning rate. Parameters with the gradient 0 are
left out.
"""

import json
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import tyro

from jaxcnn import data, recipes, training
from jaxcnn.data.pipeline import prepare_images
from jaxcnn.files import write_file
from jaxcnn.platform import (
    configure_malloc,
    describe_devices,
    enable_compilation_cache,
    find_devices,
    software_versions,
)
from jaxcnn.reproduction import markdown_table
from jaxcnn.runs import RunConfig, initial_state
from jaxcnn.words import count_of

B1, B2, EPS = 0.9, 0.999, 1e-8
EPSILONS = {"after": EPS, "before": EPS / (1 - B2) ** 0.5}
"""The epsilon of the first step, by where it is added: after or before the correction of the bias."""


def first_gradients(name: str, seed: int, dataset: data.Dataset, batch_size: int) -> np.ndarray:
    """The gradients of all parameters in the first step of the recipe called `name`, in one array."""
    options = {"b1": B1, "b2": B2, "eps": EPS}
    recipe = replace(recipes.RECIPES[name], optimizer="adam", optimizer_options=options)
    state = initial_state(RunConfig(recipe, seed=seed), len(dataset.train), dataset.num_classes, 1)
    images = prepare_images(dataset.train_images[:batch_size], recipe.image_size)
    state, _ = training.train_step(state, images, dataset.train_labels[:batch_size])
    mean = optax.tree.get(state.opt_state, "mu")  # (1 - b1) times the gradient
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(mean)]) / (1 - B1)


def small_shares(gradients: np.ndarray) -> dict[str, float]:
    """The share of the gradients other than 0 that are below epsilon, for both places of epsilon, and that of zeros."""
    sizes = np.abs(gradients[gradients != 0])
    below = {place: float(np.mean(sizes < epsilon)) for place, epsilon in EPSILONS.items()}
    return {**below, "zero": float(np.mean(gradients == 0))}


def as_markdown(results: dict[str, Any]) -> str:
    """The smallest and the largest share over the seeds, as a Markdown table."""
    rows = [("network", *(f"below {epsilon:.1e} (epsilon added {place})" for place, epsilon in EPSILONS.items()))]
    for name, found in results["shares"].items():
        shares = [[seed[place] for seed in found] for place in EPSILONS]
        rows.append((f"`{name}`", *(f"{min(share):.1%} to {max(share):.1%}" for share in shares)))
    seeds = count_of(max(map(len, results["shares"].values())), "seed")
    about = f"The first {results['batch']} training images; {seeds}, smallest to largest"
    return f"{markdown_table(rows)}\n{about}; {results['device']}; jax {results['versions']['jax']}.\n"


def main(
    names: tyro.conf.Positional[tuple[str, ...]] = tuple(recipes.RECIPES),
    /,
    seeds: int = 3,
    batch_size: int = 256,
    output: Path | None = None,
) -> None:
    """Measure the first step.

    Args:
        names: recipes of the book.
        seeds: number of seeds of each.
        batch_size: number of images of the step, the first ones of the training images.
        output: JSON file for the shares, updated after each recipe; none by default.
    """
    configure_malloc()
    dataset = data.load_fashion_mnist()
    enable_compilation_cache()
    about = {"device": describe_devices(find_devices(None, 1)), "versions": software_versions(), "batch": batch_size}
    results: dict[str, Any] = {**about, "epsilons": EPSILONS, "shares": {}}
    for name in names:
        found = [small_shares(first_gradients(name, seed, dataset, batch_size)) for seed in range(seeds)]
        results["shares"][name] = found
        means = {share: statistics.fmean(seed[share] for seed in found) for share in found[0]}
        print(f"{name:16} " + ", ".join(f"{share} {mean:.1%}" for share, mean in means.items()))
        if output is not None:
            write_file(output, json.dumps(results, indent=1) + "\n")
        jax.clear_caches()


if __name__ == "__main__":
    tyro.cli(main)
