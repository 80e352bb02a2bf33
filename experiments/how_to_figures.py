"""Measure the numbers in docs/how-to: learning rates, averaged runs, averaged views, trained weights, an own network.

    python experiments/how_to_figures.py --output experiments/results/how-to-avx512-2-cores.json

The script trains small networks on all images of Fashion-MNIST, and updates the file after each part.
"""

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from jaxcnn import data, recipes, runs
from jaxcnn.files import write_file
from jaxcnn.platform import (
    configure_malloc,
    describe_devices,
    enable_compilation_cache,
    find_devices,
    set_num_cpu_devices,
    software_versions,
)

RATES = {
    "lenet": (0.001, 0.0066, 0.012, 0.016), "lenet_bn": (0.001, 0.0034, 0.01, 0.03, 0.1),
    "lenet_bn_modern": (0.001, 0.0084, 0.02, 0.04, 0.1),
}  # fmt: skip
SHOES = ("Sandal", "Sneaker", "Ankle boot")


def measure_rates(dataset: data.Dataset, workdir: Path) -> dict[str, Any]:
    """The suggested learning rates, and the test accuracy of each rate after two epochs."""
    found = {}
    for name, rates in RATES.items():
        config = runs.RunConfig(replace(recipes.get_recipe(name), num_epochs=2))
        test = runs.find_learning_rate(config, dataset)
        accuracies = {}
        for rate in rates:
            at_rate = replace(config, recipe=replace(config.recipe, learning_rate=rate))
            accuracies[rate] = runs.train(at_rate, dataset, workdir / name / str(rate))[-1].test_accuracy
        found[name] = {
            "suggestion": test.suggestion,
            "suggestions": test.suggestions.tolist(),
            "test_accuracies": accuracies,
        }
    return found


def measure_ensemble(dataset: data.Dataset, workdir: Path) -> dict[str, Any]:
    """The test accuracy of three runs, and of the mean of their probabilities."""
    recipe = replace(recipes.get_recipe("lenet_bn"), num_epochs=2, learning_rate=0.0037)
    configs = runs.sweep(runs.RunConfig(recipe), workdir / "ensemble", learning_rates=[0.0037], num_seeds=3)
    runs.train_ensemble(configs, dataset)
    ensemble = runs.Ensemble(tuple(runs.open_runs(workdir / "ensemble")))
    return {
        "runs": [_figures(run.evaluate(dataset)) for run in ensemble.runs],
        "mean": _figures(ensemble.evaluate(dataset)),
    }


def measure_views(dataset: data.Dataset, workdir: Path) -> dict[str, Any]:
    """The test accuracy with and without views, of networks that were trained with and without such images."""
    views = data.Views(flip=True, shift=1)
    found = {}
    for augment in ("none", "flip,shift:1"):
        augmentation, _ = data.parse_augmentation(augment)
        config = runs.RunConfig(replace(recipes.get_recipe("lenet_bn_modern"), augmentation=augmentation))
        runs.train(config, dataset, workdir / augment)
        run = runs.TrainedRun.open(workdir / augment)
        found[augment] = {
            "image": _figures(run.evaluate(dataset)),
            "views": _figures(replace(run, views=views).evaluate(dataset)),
        }
    return found


def measure_transfer(dataset: data.Dataset, workdir: Path) -> dict[str, Any]:
    """The test accuracy on three classes of shoes with 20 images each, from the weights of seven other classes."""
    clothes, shoes = _split_classes(dataset)
    recipe = recipes.get_recipe("lenet_bn_modern")
    runs.train(runs.RunConfig(recipe), clothes, workdir / "clothes")
    variables = runs.TrainedRun.open(workdir / "clothes").state.eval_variables
    small = replace(recipe, batch_size=10, num_epochs=20)
    trained = runs.InitFrom.of("clothes", variables)
    starts = {
        "frozen": runs.RunConfig(replace(small, freeze=("conv*", "norm1", "norm2")), init_from=trained),
        "trained": runs.RunConfig(small, init_from=trained),
        "random": runs.RunConfig(small),
    }
    found = {}
    for name, config in starts.items():
        configs = runs.sweep(config, workdir / name, learning_rates=[recipe.learning_rate], num_seeds=5)
        found[name] = [epochs[-1].test_accuracy for epochs in runs.train_ensemble(configs, shoes)]
    return found


def measure_own_network(dataset: data.Dataset, workdir: Path) -> dict[str, Any]:
    """The test accuracy of the network in docs/how-to/own-network.md."""
    page = (Path(__file__).parents[1] / "docs" / "how-to" / "own-network.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(# allconv\.py\n.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = workdir / "allconv.py"
    file.write_text(program, encoding="utf-8")
    config = runs.RunConfig(recipes.get_recipe(f"{file}:recipe"))
    return {"test_accuracy": runs.train(config, dataset, workdir / "run")[-1].test_accuracy}


def _split_classes(dataset: data.Dataset) -> tuple[data.Dataset, data.Dataset]:
    """The clothes among the first 6000 training and 2000 test images; and the shoes, 20 training images of each."""
    small = replace(
        dataset,
        train_images=dataset.train_images[:6000],
        train_labels=dataset.train_labels[:6000],
        test_images=dataset.test_images[:2000],
        test_labels=dataset.test_labels[:2000],
    )
    parts = []
    for names, most in (([name for name in dataset.class_names if name not in SHOES], None), (SHOES, 20)):
        labels = [dataset.class_names.index(name) for name in names]
        arrays = {}
        for split, limit in (("train", most), ("test", None)):
            images, of_split = small.split(split)
            places = np.sort(np.concatenate([np.flatnonzero(of_split == label)[:limit] for label in labels]))
            arrays[f"{split}_images"] = images[places]
            arrays[f"{split}_labels"] = np.uint8([labels.index(label) for label in of_split[places]])
        parts.append(data.Dataset(**arrays, class_names=tuple(names)))
    return parts[0], parts[1]


def _figures(evaluation: runs.Evaluation) -> dict[str, float]:
    return {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "calibration_error": evaluation.calibration_error(),
    }


PARTS: dict[str, Callable[[data.Dataset, Path], dict[str, Any]]] = {
    "transfer": measure_transfer,
    "ensemble": measure_ensemble,
    "views": measure_views,
    "rates": measure_rates,
    "own-network": measure_own_network,
}


def main(parts: tyro.conf.Positional[tuple[str, ...]] = tuple(PARTS), /, *, output: Path) -> None:
    """Measure the numbers.

    Args:
        parts: what to measure: transfer, ensemble, views, rates, own-network.
        output: JSON file for the results. Other parts in the file are kept.
    """
    configure_malloc()
    set_num_cpu_devices(None)
    dataset = data.load_fashion_mnist()
    enable_compilation_cache()
    found = json.loads(output.read_text()) if output.exists() else {}
    for part in parts:
        with tempfile.TemporaryDirectory() as workdir:
            measured = PARTS[part](dataset, Path(workdir))
        made = {"device": describe_devices(find_devices(None, 1)), "versions": software_versions()}
        found[part] = {"figures": measured, **made}
        write_file(output, json.dumps(found, indent=1) + "\n")
        print(json.dumps({part: measured}, indent=1))


if __name__ == "__main__":
    tyro.cli(main)
