"""The section about a group of runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.report.command import command_of
from jaxcnn.report.curves import curve_figures
from jaxcnn.report.grouping import RunGroup, mean_and_deviation
from jaxcnn.report.network import describe_network
from jaxcnn.report.predictions import describe_predictions
from jaxcnn.report.tables import HtmlTable, cell
from jaxcnn.runs import flatten_config
from jaxcnn.words import count_of

_BOOK = "the book"


def make_section(
    group: RunGroup, dataset: Dataset | StreamedDataset, class_names: Sequence[str], root: Path
) -> dict[str, Any]:
    """The content of the section. Epochs, predictions and network are from the first run.

    Args:
        group: the runs.
        dataset: their data.
        class_names: the printable name of each class.
        root: the directory that the paths of the runs are relative to.
    """
    first = group.runs[0]
    recipe = group.config.recipe
    evaluation = first.evaluate(dataset)
    num_seeds = len(group.by_seed)
    return {
        "recipe": recipe,
        "config": group.config,
        "title": group.title,
        "evaluation": evaluation,
        "num_epochs": len(first.epochs),
        "best": first.best_epoch,
        "seeds": None
        if num_seeds == 1
        else f"{mean_and_deviation([result.test_accuracy for result in group.results])} over {num_seeds} seeds",
        "epochs": _epochs(group),
        "runs": _runs(group, root) if len(group.runs) > 1 else None,
        "repeated": [str(run.path.relative_to(root)) for run in group.repeated],
        "curves": curve_figures(group),
        "predictions": describe_predictions(first, evaluation, dataset, class_names),
        "network": describe_network(first, dataset, class_names),
        "training": _training(group),
        "seconds": sum(epoch.seconds for epoch in first.epochs),
        "compile_seconds": sum(epoch.compile_seconds for epoch in first.epochs),
        "command": command_of(group.config),
        "settings": flatten_config(group.config.as_json()),
        "made": {"device": first.summary.get("device", "not known"), **first.summary.get("versions", {})},
    }


def _epochs(group: RunGroup) -> HtmlTable:
    """The metrics of each epoch of the first run, each with the book's."""
    epochs = group.runs[0].epochs
    further = epochs[0].further_metrics
    splits = ["train", "val", "test"] if group.is_validated else ["train", "test"]
    headings = ["epoch", "train loss", *(f"{split} acc" for split in splits)]
    rows = [[*headings, *(f"test {name.replace('_', ' ')}" for name in further), "seconds"]]
    for number, epoch in enumerate(epochs):
        accuracies = [epoch.metrics.get(f"{split}_accuracy") for split in splits]
        others = [epoch.metrics[f"test_{name}"] for name in further]
        rows.append(
            [str(epoch.epoch), cell(epoch.train_loss, 4), *map(cell, accuracies + others), cell(epoch.seconds, 1)]
        )
        if number < len(group.config.recipe.reference):
            book = group.config.recipe.reference[number]
            accuracies = [getattr(book, f"{split}_accuracy", None) for split in splits]
            rows.append(
                [_BOOK, cell(book.loss, 4), *map(cell, accuracies), *("-" for _ in further), cell(book.seconds, 1)]
            )
    return HtmlTable("Metrics of each epoch", rows, muted=[_BOOK])


def _runs(group: RunGroup, root: Path) -> HtmlTable:
    """The metrics of each run after its last epoch."""
    splits = ["train", "val", "test"] if group.is_validated else ["train", "test"]
    rows = [["run", "seed", "epochs", "train loss", *(f"{split} acc" for split in splits)]]
    for run in group.runs:
        last = run.epochs[-1]
        accuracies = [last.metrics.get(f"{split}_accuracy") for split in splits]
        path, seed = str(run.path.relative_to(root)), str(run.config.seed)
        rows.append([path, seed, str(len(run.epochs)), cell(last.train_loss, 4), *map(cell, accuracies)])
    return HtmlTable("The runs after their last epochs", rows)


def _training(group: RunGroup) -> dict[str, str]:
    """The training in words."""
    config, recipe = group.config, group.config.recipe
    schedule = " ".join([recipe.schedule, *(f"{name} {value}" for name, value in recipe.schedule_options.items())])
    warmup = f", after a warm-up of {count_of(recipe.warmup_epochs, 'epoch')}" if recipe.warmup_epochs else ""
    return {
        "optimizer": recipe.describe_training(),
        "learning rate schedule": f"{schedule.replace('_', ' ')}{warmup}",
        "batch size": f"{recipe.batch_size:,}",
        "image size": f"{recipe.image_size}x{recipe.image_size}",
        "type of the computation": config.dtype,
        "seeds": ", ".join(map(str, group.by_seed)),
    }
