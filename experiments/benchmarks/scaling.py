"""Measure how the time of a step grows with the number of ensemble members and of data-parallel devices.

    python experiments/benchmarks/scaling.py [--recipes lenet] [--repeats 3] [--output FILE]

A sample is the time in which every member takes one step. Ensembles are timed sequentially and with vmap on one device,
and in the placement that training chooses. All placements are timed in one process, in alternation; the table shows
medians. On a CPU, eight devices share one processor and cannot be faster than one, so the data-parallel rows show the
overhead of sharding, and members are distributed over as many devices as there are cores.
"""

import json
import os
import statistics
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from jaxcnn import data, platform, runs, training
from jaxcnn.platform import describe_devices, software_versions
from jaxcnn.recipes import get_recipe
from jaxcnn.training import SINGLE, Placement, TrainState, choose_placement

NUM_MEMBERS = (1, 2, 4, 8, 16)
DEVICES = (1, 2, 4, 8)


def main(
    recipes: tuple[str, ...] = ("lenet",),
    steps: int = 60,
    repeats: int = 3,
    most_together: int | None = None,
    data_dir: Path | None = None,
    output: Path | None = None,
) -> None:
    """Time training in every placement and show the medians.

    Args:
        recipes: names of recipes.
        steps: number of steps in a sample.
        repeats: number of samples of each placement.
        most_together: maximum number of members with vmap on one device; no maximum by default.
        data_dir: directory of Fashion-MNIST; it is searched for, and downloaded if not found, by default.
        output: JSON file for the results; none by default.
    """
    platform.configure_malloc()
    dataset = data.load_fashion_mnist(data_dir)
    platform.set_num_cpu_devices(max(DEVICES))
    results = {
        "device": describe_devices(jax.devices()[:1]),
        "cpu_cores": os.cpu_count(),
        "devices": len(jax.devices()),
        "versions": software_versions(),
        "steps": steps,
        "repeats": repeats,
        "recipes": {name: medians(name, dataset, steps, repeats, most_together) for name in recipes},
    }
    for name, found in results["recipes"].items():
        show(name, found)
    if output is not None:
        output.write_text(json.dumps(results, indent=1) + "\n")


def medians(
    name: str, dataset: data.Dataset, steps: int, repeats: int, most_together: int | None
) -> dict[str, dict[str, float | str]]:
    """The milliseconds of a step by placement, and the chosen placement by number of members."""
    recipe = get_recipe(name)
    dataset = replace(
        dataset.limit(steps * recipe.batch_size),
        test_images=dataset.test_images[:1],
        test_labels=dataset.test_labels[:1],
    )
    config = runs.RunConfig(recipe)
    states = [
        runs.initial_state(replace(config, seed=seed), len(dataset.train_images), dataset.num_classes, 1)
        for seed in range(max(NUM_MEMBERS))
    ]
    devices = jax.devices()
    available = devices[: os.cpu_count()] if devices[0].platform == "cpu" else devices
    cases: dict[str, tuple[TrainState, Placement]] = {}
    chosen = {}
    for count in NUM_MEMBERS:
        if count == 1:
            cases["1 single"] = (states[0], SINGLE)
            chosen["1"] = "single"
            continue
        stacked = training.stack_members(states[:count])
        best = choose_placement(stacked, (recipe.image_size, recipe.image_size, 1), available)
        chosen[str(count)] = str(best)
        cases[f"{count} {best}"] = (stacked, best)
        for kind in ("sequential", "vmap"):
            if kind == "sequential" or most_together is None or count <= most_together:
                placement = Placement(kind, (devices[0],))
                cases[f"{count} {placement}"] = (stacked, placement)
    for count in DEVICES[1:]:
        if count <= len(devices):
            placement = Placement("data_parallel", tuple(devices[:count]))
            cases[str(placement)] = (states[0], placement)
    taken: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(repeats):
        for case, (state, placement) in cases.items():
            options = recipe.fit_options(num_epochs=1, placement=placement)
            taken[case].append(seconds_a_step(state, dataset, options))
    return {"chosen": chosen, "ms": {case: 1e3 * statistics.median(times) for case, times in taken.items()}}


def seconds_a_step(state: TrainState, dataset: data.Dataset, options: training.FitOptions) -> float:
    """The seconds of a step, averaged over an epoch without compilation and without the chunk of the first step."""
    results = training.run_epochs(state, dataset, options)
    chunks = [result for result in results if isinstance(result, training.ChunkResult)]
    return sum(float(np.sum(chunk.seconds)) for chunk in chunks[1:]) / (chunks[-1].steps - chunks[0].steps_done)


def show(name: str, found: dict[str, dict[str, float | str]]) -> None:
    """Print the medians, and their ratios to the median of a single run."""
    table = Table(title=f"{name}: ms a step")
    for heading in ("placement", "ms", "ratio to a single run", ""):
        table.add_column(heading, justify="left" if heading == "placement" else "right")
    one = float(found["ms"]["1 single"])
    for case, ms in found["ms"].items():
        is_chosen = case in {f"{count} {placement}" for count, placement in found["chosen"].items()}
        table.add_row(case, f"{float(ms):.1f}", f"{float(ms) / one:.2f}", "chosen" if is_chosen else "")
    Console().print(table)


if __name__ == "__main__":
    tyro.cli(main)
