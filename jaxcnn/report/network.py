"""The parts of a network: layers, kernels, feature maps and the first batch norm."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict
from jaxtyping import Float

from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.models import summarize
from jaxcnn.report import figures
from jaxcnn.report.rendering import embed_figure
from jaxcnn.report.tables import HtmlTable
from jaxcnn.runs import TrainedRun, make_model
from jaxcnn.training import activations

_MAX_MAPS = 8  # one row each
_MAX_CHANNELS = 16  # two bars each
_MAX_KERNELS = 32


def describe_network(run: TrainedRun, dataset: Dataset | StreamedDataset, class_names: Sequence[str]) -> dict[str, Any]:
    """The content about the network of a run, with its feature maps for the first test image."""
    ((image, (label,)),) = dataset.test.batches([np.arange(1)])
    found = activations(run.state, image, image_size=run.config.recipe.image_size)
    outputs = {path: np.asarray(output) for path, output in found.items()}
    params = {
        "/".join(path): np.asarray(leaf) for path, leaf in flatten_dict(run.state.eval_variables["params"]).items()
    }
    return {
        "layers": _layers(run),
        "figures": [
            *_kernels(outputs, params),
            *_feature_maps(outputs, image[0], class_names[int(label)]),
            *_first_norm(run, params),
        ],
    }


def _layers(run: TrainedRun) -> HtmlTable:
    size, (*_, channels) = run.config.recipe.image_size, run.config.data.image_shape
    image_shape = (size, size, channels)
    layers = summarize(make_model(run.config, len(run.config.data.class_names), image_shape), image_shape)
    rows = [
        (layer.name, "x".join(map(str, layer.output_shape)), f"{layer.num_parameters:,}", f"{layer.flops:,}")
        for layer in layers
    ]
    total = (sum(layer.num_parameters for layer in layers), sum(layer.flops for layer in layers))
    return HtmlTable(
        f"Layers for an image of {'x'.join(map(str, image_shape))}",
        [("layer", "output", "parameters", "FLOPs"), *rows, ("total", "", *(f"{count:,}" for count in total))],
    )


def describe_kernels(path: str, kernel: Float[np.ndarray, "h w c_in c_out"]) -> str:
    """The caption of the kernels of the layer at `path`: which of their channels are drawn, and how.

    Examples:
        >>> describe_kernels("conv1", np.zeros((5, 5, 2, 64)))
        'The weights of conv1, the first 32 of 64 output channels; only the first of 2 input channels is drawn.'
    """
    *_, inputs, outputs = kernel.shape
    count = f"the first {_MAX_KERNELS} of {outputs} output channels"
    if outputs <= _MAX_KERNELS:
        count = "one square for each output channel"
    drawn = {
        1: "",
        3: "; the input channels are red, green and blue, and zero is gray",
        4: "; the first three of 4 input channels are red, green and blue, and zero is gray",
    }.get(inputs, f"; only the first of {inputs} input channels is drawn")
    return f"The weights of {path}, {count}{drawn}."


def _kernels(outputs: Mapping[str, np.ndarray], params: Mapping[str, np.ndarray]) -> list[dict[str, str]]:
    """The kernels of the first convolution."""
    first = next((path for path in outputs if params.get(f"{path}/kernel", np.empty(0)).ndim == 4), None)
    if first is None:
        return []
    kernel = params[f"{first}/kernel"]
    height, width, _, count = kernel.shape
    return [
        embed_figure(
            "First-layer kernels", figures.draw_kernels(kernel, max_kernels=_MAX_KERNELS),
            describe_kernels(first, kernel),
            f"{count} kernels of {height}x{width} with weights from {kernel.min():.2f} to {kernel.max():.2f}.",
        )
    ]  # fmt: skip


def _feature_maps(outputs: Mapping[str, np.ndarray], image: np.ndarray, class_name: str) -> list[dict[str, str]]:
    outermost = [
        (path, output[0].astype(np.float32))
        for path, output in outputs.items()
        if "/" not in path and output.ndim == 4 and output.shape[1] > 1
    ]
    if not outermost:
        return []
    chosen = np.unique(np.linspace(0, len(outermost) - 1, _MAX_MAPS).round().astype(int))
    maps = [outermost[number] for number in chosen]
    shapes = ", ".join(f"{path} {'x'.join(map(str, output.shape))}" for path, output in maps)
    return [
        embed_figure(
            "Feature maps", figures.draw_feature_maps(image, maps),
            f"The outputs of the layers for one test image, {class_name}: the first channels of each layer, each with "
            "its own scale.",
            f"The outputs for an image of {class_name}: {shapes}.",
        )
    ]  # fmt: skip


def _first_norm(run: TrainedRun, params: Mapping[str, np.ndarray]) -> list[dict[str, str]]:
    gamma, beta = params.get("norm1/scale"), params.get("norm1/bias")
    if gamma is None or beta is None or len(gamma) > _MAX_CHANNELS:
        return []
    words = f"gamma {_numbers(gamma)}; beta {_numbers(beta)}."
    if (reference := run.config.recipe.reference_norm) is not None:
        words += f" In the book, after training: gamma {_numbers(reference[0])}; beta {_numbers(reference[1])}."
    return [
        embed_figure(
            "Gamma and beta of the first batch norm", figures.draw_norm(gamma, beta), words,
            f"gamma is between {gamma.min():.2f} and {gamma.max():.2f}, beta between {beta.min():.2f} and "
            f"{beta.max():.2f}.",
        )
    ]  # fmt: skip


def _numbers(values: Float[np.ndarray, " channels"] | Sequence[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
