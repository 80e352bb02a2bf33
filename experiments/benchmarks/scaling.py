"""Training by the number of replicas in one program, and by the number of devices that share each step.

    python experiments/benchmarks/scaling.py [--recipes lenet] [--repeats 3] [--output FILE]

Milliseconds a step, in which every replica takes one: the replicas on one device, in turn and together, and laid out as
training would choose. All placements are timed in one process, one after the other, and that again `repeats` times;
medians are shown. A processor stands in for eight devices, which cannot make it faster: there the second table shows
what sharing costs, and replicas are dealt out to as many as there are cores.
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

REPLICAS = (1, 2, 4, 8, 16)
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
        recipes: the networks.
        steps: how many steps are timed at a time.
        repeats: how often each placement is timed.
        most_together: the most replicas to be timed together on one device; any number unless given.
        data_dir: directory of Fashion-MNIST; looked for, then fetched, unless given.
        output: JSON file for the results; none is written unless given.
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
    """By placement: milliseconds a step, and by number of replicas which placement is chosen."""
    recipe = get_recipe(name)
    dataset = replace(
        dataset.limit(steps * recipe.batch_size),
        test_images=dataset.test_images[:1],
        test_labels=dataset.test_labels[:1],
    )
    config = runs.RunConfig(recipe)
    states = [
        replace(config, seed=seed).initial_state(len(dataset.train_images), dataset.num_classes, 1)
        for seed in range(max(REPLICAS))
    ]
    devices = jax.devices()
    hands = devices[: os.cpu_count()] if devices[0].platform == "cpu" else devices
    cases: dict[str, tuple[TrainState, Placement]] = {}
    chosen = {}
    for count in REPLICAS:
        if count == 1:
            cases["1 alone"] = (states[0], SINGLE)
            chosen["1"] = "alone"
            continue
        stacked = training.stack_members(states[:count])
        best = choose_placement(stacked, (recipe.image_size, recipe.image_size, 1), hands)
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
    """Seconds of a step, over one epoch without compilation and without the first step, a chunk of its own."""
    results = training.run_epochs(state, dataset, options)
    chunks = [result for result in results if isinstance(result, training.ChunkResult)]
    return sum(float(np.sum(chunk.seconds)) for chunk in chunks[1:]) / (chunks[-1].steps - chunks[0].steps_done)


def show(name: str, found: dict[str, dict[str, float | str]]) -> None:
    """The medians, each beside that of one run alone."""
    table = Table(title=f"{name}: ms a step")
    for heading in ("placement", "ms", "of one alone", ""):
        table.add_column(heading, justify="left" if heading == "placement" else "right")
    one = float(found["ms"]["1 alone"])
    for case, ms in found["ms"].items():
        is_chosen = case in {f"{count} {placement}" for count, placement in found["chosen"].items()}
        table.add_row(case, f"{float(ms):.1f}", f"{float(ms) / one:.2f}", "chosen" if is_chosen else "")
    Console().print(table)


if __name__ == "__main__":
    tyro.cli(main)
