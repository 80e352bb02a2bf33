"""The page about runs."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict
from jaxtyping import Float

from jaxcnn.data import Dataset, StreamedDataset, name_augmentation
from jaxcnn.recipes import ALL_RECIPES, SOURCE, Recipe, get_recipe
from jaxcnn.report import figures
from jaxcnn.report.activations import find_activations
from jaxcnn.report.rendering import embed_figure, write_page
from jaxcnn.runs import Evaluation, RunConfig, TrainedRun, flatten_config, open_runs
from jaxcnn.words import printable

_MAX_LAYERS = 8  # one row each
_MAX_CHANNELS = 16  # two bars each
_MISTAKES = 12
_IN_THE_BOOK = ("loss", "accuracy")


def write_report(path: Path, dataset: Dataset | StreamedDataset, out: Path | None = None) -> Path:
    """Write one HTML page about the run in `path`, or about all runs below it.

    Runs that differ in their seeds alone are shown together. The page has no scripts and works offline.

    Args:
        path: the directory of a run, or one with runs in it.
        dataset: the data of the runs; the page shows predictions for its test images.
        out: the file; report.html in `path` unless given.

    Returns:
        The file.

    Raises:
        InputError: if there are no runs, one cannot be read or has other data, or the file cannot be written.
    """
    runs = open_runs(path)
    for run in runs:
        run.config.check_data(dataset)
    groups: dict[str, list[TrainedRun]] = {}
    order = {name: place for place, name in enumerate(ALL_RECIPES)}
    for run in sorted(runs, key=lambda run: order.get(run.config.recipe.name, len(order))):
        groups.setdefault(str(replace(run.config, seed=0).as_json()), []).append(run)
    content = {
        "data": runs[0].config.data.source or "Fashion-MNIST",
        "source": SOURCE,
        "groups": [_group(group, list(groups.values()), dataset, path) for group in groups.values()],
    }
    return write_page("page.html", content, out or path / "report.html")


def _group(
    runs: Sequence[TrainedRun], groups: Sequence[Sequence[TrainedRun]], dataset: Dataset | StreamedDataset, root: Path
) -> dict[str, Any]:
    """The content for runs that differ in their seeds; the figures of a network show the first."""
    first = runs[0]
    recipe = first.config.recipe
    evaluation = first.evaluate(dataset)
    class_names = [printable(name) for name in dataset.class_names]
    shown = [
        *_curves(runs),
        embed_figure(
            "Confusion", figures.draw_confusion(evaluation.confusion, class_names),
            "Test images by true class (rows) and predicted class (columns).",
        ),
        *_mistakes(evaluation, dataset, class_names),
        *_inside(first, dataset, class_names),
    ]  # fmt: skip
    return {
        "recipe": recipe,
        "title": ", ".join([recipe.title, *_apart(first.config, [group[0].config for group in groups])]),
        "runs": [{"path": run.path.relative_to(root), "seed": run.config.seed, "last": run.epochs[-1]} for run in runs],
        "epochs": [
            {"reference": recipe.reference[number] if number < len(recipe.reference) else None, "run": epoch}
            for number, epoch in enumerate(first.epochs)
        ],
        "best": first.best_epoch,
        "further": first.epochs[0].further_metrics,
        "evaluation": evaluation,
        "by_class": [
            (name, None if np.isnan(accuracy) else float(accuracy))
            for name, accuracy in zip(class_names, evaluation.class_metrics["recall"], strict=True)
        ],
        "seconds": sum(epoch.seconds for epoch in first.epochs),
        "compile_seconds": sum(epoch.compile_seconds for epoch in first.epochs),
        "command": command_of(first.config),
        "config": flatten_config(first.config.as_json()),
        "made": {"device": first.summary.get("device", "not known"), **first.summary.get("versions", {})},
        "figures": shown,
    }


def _apart(config: RunConfig, others: Sequence[RunConfig]) -> list[str]:
    """The settings of `config` that differ from those of `others` with the same recipe."""
    forms = [flatten_config(other.as_json()) for other in others if other.recipe.name == config.recipe.name]
    return [
        f"{name.replace('_', ' ')} {value}"
        for name, value in flatten_config(config.as_json()).items()
        if name != "seed" and any(form.get(name) != value for form in forms)
    ]


def command_of(config: RunConfig) -> str:
    """The command that repeats a run with these settings. Settings that no option can express are left out.

    Examples:
        >>> command_of(RunConfig(get_recipe("lenet"), seed=3))
        'jaxcnn train lenet --seed 3'
    """
    recipe = config.recipe
    usual = get_recipe(recipe.command_name)
    options = {
        "epochs": (recipe.num_epochs, usual.num_epochs),
        "batch-size": (recipe.batch_size, usual.batch_size),
        "learning-rate": (recipe.learning_rate, usual.learning_rate),
        "optimizer": (_optimizer_words(recipe), _optimizer_words(usual)),
        "schedule": (recipe.schedule, usual.schedule),
        "warmup-epochs": (recipe.warmup_epochs, usual.warmup_epochs),
        "weight-decay": (recipe.weight_decay, usual.weight_decay),
        "clip-norm": (recipe.clip_norm, usual.clip_norm),
        "label-smoothing": (recipe.label_smoothing, usual.label_smoothing),
        "accumulate": (recipe.accumulate, usual.accumulate),
        "ema": (recipe.ema_decay, usual.ema_decay),
        "augment": (
            name_augmentation(recipe.augmentation, recipe.mixing),
            name_augmentation(usual.augmentation, usual.mixing),
        ),
        "class-weights": (_class_weights_words(recipe), _class_weights_words(usual)),
        "seed": (config.seed, 0),
        "data": (config.data.source, None),
        "limit": (config.limit, None),
        "val-fraction": (config.val_fraction, None),
        "val-seed": (config.val_seed, 0),
        "patience": (config.patience, None),
        "until": (config.until, None),
        "dtype": (config.dtype, "float32"),
    }
    words = ["jaxcnn", "train", recipe.command_name]
    for name, (value, default) in options.items():
        if value != default and value is not None:
            words += [f"--{name}", str(value)]
    return shlex.join([*words, *(["--deterministic"] if config.deterministic else [])])


def _optimizer_words(recipe: Recipe) -> str | None:
    """The optimizer of a recipe with its arguments, as --optimizer takes them; None if it cannot take them."""
    if not all(value is None or isinstance(value, int | float) for value in recipe.optimizer_options.values()):
        return None
    arguments = ",".join(f"{name}={json.dumps(value)}" for name, value in recipe.optimizer_options.items())
    return f"{recipe.optimizer}:{arguments}" if arguments else recipe.optimizer


def _curves(runs: Sequence[TrainedRun]) -> list[dict[str, str]]:
    """A figure for each metric."""
    first = runs[0]
    return [
        embed_figure(
            f"{name.replace('_', ' ').capitalize()} by epoch",
            figures.draw_curves(first.config.recipe, [run.epochs for run in runs], metric=name),
            _curve_words(runs, name),
        )
        for name in first.epochs[0].metric_names
    ]


def _curve_words(runs: Sequence[TrainedRun], metric: str) -> str:
    of_runs = "one run" if len(runs) == 1 else f"the mean of {len(runs)} runs, with the range from minimum to maximum"
    reference = "; dashed, open marks: the book" if runs[0].config.recipe.reference and metric in _IN_THE_BOOK else ""
    return f"Solid: {of_runs}{reference}."


def _mistakes(
    evaluation: Evaluation, dataset: Dataset | StreamedDataset, class_names: Sequence[str]
) -> list[dict[str, str]]:
    """The images with the most confident wrong predictions."""
    confidence = np.where(evaluation.predicted == evaluation.labels, 0.0, evaluation.probabilities.max(axis=1))
    worst = np.argsort(-confidence, kind="stable")[:_MISTAKES]
    worst = worst[confidence[worst] > 0]
    if not len(worst):
        return []
    ((images, _),) = dataset.test.batches([worst])
    predicted, true = (
        [class_names[int(label)] for label in labels[worst]] for labels in (evaluation.predicted, evaluation.labels)
    )
    titles = [
        f"{one} {share:.2f}\nis {other}" for one, share, other in zip(predicted, confidence[worst], true, strict=True)
    ]
    return [
        embed_figure(
            "The most confident mistakes", figures.draw_pictures(images, titles),
            "Above each image: the predicted class with its probability, and the true class.",
        )
    ]  # fmt: skip


def _inside(run: TrainedRun, dataset: Dataset | StreamedDataset, class_names: Sequence[str]) -> list[dict[str, str]]:
    """Figures of the kernels, the feature maps and the first batch norm, if the network has them."""
    ((image, (label,)),) = dataset.test.batches([np.arange(1)])
    activations = find_activations(run, image)
    params = {
        "/".join(path): np.asarray(leaf) for path, leaf in flatten_dict(run.state.eval_variables["params"]).items()
    }
    shown = []
    first = next((path for path in activations if params.get(f"{path}/kernel", np.empty(0)).ndim == 4), None)
    if first is not None:
        kernel = params[f"{first}/kernel"]
        color = ", as colors with zero in gray" if kernel.shape[2] in figures.COLOR else ""
        words = f"The weights of {first}{color}, one square for each output channel."
        shown.append(embed_figure("First-layer kernels", figures.draw_kernels(kernel), words))
    outermost = [
        (path, output[0].astype(np.float32))
        for path, output in activations.items()
        if "/" not in path and output.ndim == 4 and output.shape[1] > 1
    ]
    if outermost:
        chosen = np.unique(np.linspace(0, len(outermost) - 1, _MAX_LAYERS).round().astype(int))
        words = (
            f"The outputs of the layers for one test image, {class_names[label]}: the first channels of each layer, "
            "each with its own scale."
        )
        maps = figures.draw_feature_maps(image[0], [outermost[number] for number in chosen])
        shown.append(embed_figure("Feature maps", maps, words))
    gamma, beta = params.get("norm1/scale"), params.get("norm1/bias")
    if gamma is not None and beta is not None and len(gamma) <= _MAX_CHANNELS:
        words = f"gamma {_numbers(gamma)}; beta {_numbers(beta)}."
        if (reference := run.config.recipe.reference_norm) is not None:
            words += f" The book's after its run: gamma {_numbers(reference[0])}; beta {_numbers(reference[1])}."
        shown.append(embed_figure("Gamma and beta of the first batch norm", figures.draw_norm(gamma, beta), words))
    return shown


def _numbers(values: Float[np.ndarray, " channels"] | Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)


def _class_weights_words(recipe: Recipe) -> str | None:
    """The class weights of a recipe, as --class-weights takes them."""
    return (
        ",".join(map(repr, recipe.class_weights)) if isinstance(recipe.class_weights, tuple) else recipe.class_weights
    )
