"""Compare the speed of training on streamed images and on images that are resident on the device.

    python experiments/benchmarks/streaming.py [--recipes lenet resnet] [--repeats 3] [--output FILE]

A sample is the number of training images per second. The same examples are resident on the device, streamed from host
memory, or streamed from disk, from array_record files prepared by TFDS, with decoding and resizing. All three ways are
timed in one process, in alternation; the table shows medians. The device waits for the first block of an epoch. In a
shortened epoch this takes a larger fraction of the time than in a full one.
"""

import json
import os
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import tyro
from rich.console import Console
from rich.table import Table

from jaxcnn import data, platform, runs, training
from jaxcnn.platform import describe_devices, software_versions
from jaxcnn.recipes import Recipe, get_recipe
from jaxcnn.reproduction import markdown_table

WHOLE = {"lenet": 235}
"""The number of steps of a full epoch, for recipes that are fast enough. Other recipes take FEW steps."""
FEW = 14


def main(
    recipes: tuple[str, ...] = ("lenet", "resnet", "resnet_modern"),
    steps: int | None = None,
    repeats: int = 3,
    data_dir: Path | None = None,
    output: Path | None = None,
) -> None:
    """Time training in each way and show the medians.

    Args:
        recipes: names of recipes.
        steps: number of steps in an epoch; by default 235, a full epoch, for lenet and 14 for other recipes.
        repeats: number of samples of each way.
        data_dir: directory of Fashion-MNIST; it is searched for, and downloaded if not found, by default.
        output: JSON file for the results; none by default.
    """
    platform.configure_malloc()
    with tempfile.TemporaryDirectory() as directory:
        source = f"tfds:{data.prepare_tfds(directory, data_dir)}"
        results = {
            "device": describe_devices(jax.devices()[:1]),
            "cpu_cores": os.cpu_count(),
            "versions": software_versions(),
            "repeats": repeats,
            "recipes": {
                name: timed(get_recipe(name), source, steps or WHOLE.get(name, FEW), repeats) for name in recipes
            },
        }
    show(results["recipes"])
    if output is not None:
        output.write_text(json.dumps(results, indent=1) + "\n")


def timed(recipe: Recipe, source: str, steps: int, repeats: int) -> dict[str, Any]:
    """The number of steps in an epoch, and the images per second of each way to load them."""
    resident = data.load_dataset(source, image_size=recipe.image_size)
    stored = data.load_dataset(source, image_size=recipe.image_size, max_bytes=0)
    assert isinstance(resident, data.Dataset)
    ways = {"resident": resident, "streamed from memory": resident.streamed(), "streamed from disk": stored}
    config = runs.RunConfig(recipe)
    state = runs.initial_state(config, steps * recipe.batch_size, resident.num_classes, resident.image_shape[2])
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, dataset in ways.items():
            (epoch,) = training.fit(
                state, few(dataset, steps * recipe.batch_size), num_epochs=1, batch_size=recipe.batch_size
            )
            rates[way].append(epoch.images_per_second)
    return {
        "steps": steps,
        "image_size": recipe.image_size,
        "images_per_second": {way: statistics.median(found) for way, found in rates.items()},
    }


def few(dataset: data.Dataset | data.StreamedDataset, count: int) -> data.Dataset | data.StreamedDataset:
    """The data set with the first `count` training images and one test image."""
    limited = dataset.limit(count)
    if isinstance(limited, data.Dataset):
        return replace(limited, test_images=limited.test_images[:1], test_labels=limited.test_labels[:1])
    return replace(limited, test=limited.test.limit(1))


def as_markdown(results: dict[str, Any]) -> str:
    """The medians as a Markdown table. Those of streamed images have their ratio to that of resident images."""
    rows = [("images per second in training", "resident", "streamed from memory", "streamed from disk")]
    for name, found in results["recipes"].items():
        one, *others = found["images_per_second"].values()
        size = found["image_size"]
        rows.append(
            (f"`{name}`, {size}x{size}", f"{one:,.0f}", *(f"{rate:,.0f} ({rate / one:.2f})" for rate in others))
        )
    return f"{markdown_table(rows)}\n{results['device']}; jax {results['versions']['jax']}.\n"


def show(recipes: dict[str, dict[str, Any]]) -> None:
    """Print the medians, and their ratios to that of resident images."""
    table = Table(title="images per second")
    for heading in ("network", "loading", "images/s", "of resident"):
        table.add_column(heading, justify="right" if heading in ("images/s", "of resident") else "left")
    for name, found in recipes.items():
        rates = found["images_per_second"]
        for way, rate in rates.items():
            table.add_row(name, way, f"{rate:,.0f}", f"{rate / rates['resident']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    tyro.cli(main)
