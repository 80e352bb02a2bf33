"""The data of runs: its source, sample images, and the number of images of each class and split."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.report import figures
from jaxcnn.report.grouping import RunGroup
from jaxcnn.report.rendering import embed_figure
from jaxcnn.report.tables import HtmlTable
from jaxcnn.runs import MAX_CLASSES, RunConfig
from jaxcnn.words import count_of

_NAMES = {"train": "training", "val": "validation", "test": "test"}
_DIGESTS = {"all": "all images and labels", "sample": "a sample of them", "val": "a sample of the validation split"}


def describe_data(
    groups: Sequence[RunGroup], dataset: Dataset | StreamedDataset, class_names: Sequence[str]
) -> dict[str, Any]:
    """The content about the data. Groups of runs that use different parts of the data have separate tables.

    Args:
        groups: the groups of runs.
        dataset: the data of all runs, without their limits.
        class_names: the printable name of each class.
    """
    configs = {_part(group.config): group.config for group in reversed(groups)}
    height, width, channels = dataset.image_shape
    return {
        "source": groups[0].config.data.source or "Fashion-MNIST",
        "shape": f"{height}x{width} pixels, {count_of(channels, 'channel')}, {count_of(len(class_names), 'class')}",
        "samples": _samples(dataset, class_names),
        "parts": [_describe_part(config, dataset, class_names) for config in reversed(configs.values())],
    }


def _part(config: RunConfig) -> tuple[Any, ...]:
    """The settings that select the images of a run."""
    return config.limit, config.val_fraction, config.val_seed


def _samples(dataset: Dataset | StreamedDataset, class_names: Sequence[str]) -> dict[str, str]:
    """The first training image of each class, up to 20."""
    labels, places = np.unique(dataset.train.read_labels(), return_index=True)
    labels, places = labels[:MAX_CLASSES], places[:MAX_CLASSES]
    ((images, _),) = dataset.train.batches([places])
    titles = [class_names[int(label)] for label in labels]
    of_classes = "each class" if len(titles) == len(class_names) else count_of(len(titles), "class")
    return embed_figure(
        "Sample images", figures.draw_pictures(images, titles, columns=5),
        f"The first training image of {of_classes}, unchanged.", f"Images of {', '.join(titles)}.",
    )  # fmt: skip


def _describe_part(config: RunConfig, dataset: Dataset | StreamedDataset, class_names: Sequence[str]) -> dict[str, Any]:
    streamed = dataset.streamed() if isinstance(dataset, Dataset) else dataset  # holds out without copies of images
    part = config.hold_out(streamed.limit(config.limit))
    labels = {split: getattr(part, split).read_labels() for split in part.splits}
    counts = {split: np.bincount(of_split, minlength=len(class_names)) for split, of_split in labels.items()}
    rows = [(name, *(f"{count[label]:,}" for count in counts.values())) for label, name in enumerate(class_names)]
    total = ("all", *(f"{len(of_split):,}" for of_split in labels.values()))
    words = [f"the first {count_of(config.limit, 'image')} of each split"] if config.limit is not None else []
    if config.val_fraction is not None:
        words.append(f"{config.val_fraction:g} of the training images held out with seed {config.val_seed}")
    ranges = [f"{_NAMES[split]} {_range(count)}" for split, count in counts.items()]
    return {
        "words": "; ".join(words) or "all images",
        "balance": f"Images per class: {', '.join(ranges)}.",
        "table": HtmlTable("Images of each class", [("class", *(_NAMES[split] for split in labels)), *rows, total]),
        "sha256": {
            words: digest for name, words in _DIGESTS.items() if (digest := (config.data.sha256 or {}).get(name))
        },
    }  # fmt: skip


def _range(counts: np.ndarray) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
