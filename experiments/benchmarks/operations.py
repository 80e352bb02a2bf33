"""Compare the speed of the implementations of convolution and pooling that `jaxcnn.ops` chooses from.

    python experiments/benchmarks/operations.py [--repeats 9] [--output FILE]

The sizes are those of the book's networks. A sample is the time of the value and the gradients: both gradients, or only
the kernel's in a first layer. The chosen convolution is also timed with XLA's default options, which use the library
YNNPACK on CPUs. All implementations are timed in one process, in alternation, with the malloc settings of `jaxcnn
train`. The tables show medians.
"""

import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax import lax
from rich.console import Console
from rich.table import Table

from jaxcnn import ops
from jaxcnn.ops import convolution
from jaxcnn.platform import configure_malloc, describe_devices, software_versions
from jaxcnn.reproduction import markdown_table
from jaxcnn.training import compilation

CONVOLUTIONS = {
    "lenet, conv1": ((256, 28, 28, 1), (5, 5, 1, 6), 1, 0),
    "lenet, conv2": ((256, 12, 12, 6), (5, 5, 6, 16), 1, 0),
    "alexnet, conv1": ((16, 224, 224, 1), (11, 11, 1, 96), 4, 0),
    "alexnet, conv2": ((16, 26, 26, 96), (5, 5, 96, 256), 1, 2),
    "vgg, block1": ((16, 224, 224, 1), (3, 3, 1, 16), 1, 1),
    "vgg, block2": ((16, 112, 112, 16), (3, 3, 16, 32), 1, 1),
    "googlenet, conv1": ((32, 96, 96, 1), (7, 7, 1, 64), 2, 3),
    "googlenet, inception3b/p1_1": ((32, 12, 12, 256), (1, 1, 256, 128), 1, 0),
    "googlenet, inception5b/p3_2": ((32, 3, 3, 48), (5, 5, 48, 128), 1, 2),
    "resnet, stage1": ((32, 24, 24, 64), (3, 3, 64, 64), 1, 1),
    "resnet, stage3": ((32, 6, 6, 256), (3, 3, 256, 256), 1, 1),
    "resnet, stage4": ((32, 3, 3, 512), (3, 3, 512, 512), 1, 1),
    "densenet, block1": ((32, 24, 24, 128), (3, 3, 128, 32), 1, 1),
    "resnet at 28, stage2": ((256, 4, 4, 128), (3, 3, 128, 128), 1, 1),
    "resnet at 28, stage3": ((256, 2, 2, 256), (3, 3, 256, 256), 1, 1),
    "resnet at 28, stage4": ((256, 1, 1, 512), (3, 3, 512, 512), 1, 1),
    "densenet at 28, block2": ((256, 3, 3, 160), (3, 3, 160, 32), 1, 1),
}
POOLS = {
    "lenet, pool1": ((256, 24, 24, 6), 2, 2, 0),
    "alexnet, pool1": ((16, 54, 54, 96), 3, 2, 0),
    "vgg, pool1": ((16, 224, 224, 16), 2, 2, 0),
    "googlenet, inception3b": ((32, 12, 12, 256), 3, 1, 1),
    "resnet, pool1": ((32, 48, 48, 64), 3, 2, 1),
}


def of_lax(x: jax.Array, kernel: jax.Array, strides: int, padding: int) -> jax.Array:
    """Compute XLA's convolution, with JAX's gradients."""
    pads = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, kernel, (strides,) * 2, pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def canonical(x: jax.Array, kernel: jax.Array, strides: int, padding: int) -> jax.Array:
    """Compute XLA's convolution, with gradients that are fast inside loops."""
    return convolution._conv2d_with_fast_gradients(x, kernel, (strides,) * 2, ((padding,) * 2,) * 2)


def product(columns: int, x: jax.Array, kernel: jax.Array, strides: int, padding: int) -> jax.Array:
    """Compute the convolution as a matrix product that gives `columns` output columns at once."""
    return convolution._conv2d_as_product(x, kernel, (strides,) * 2, ((padding,) * 2,) * 2, columns)


def whole_images(x: jax.Array, kernel: jax.Array, strides: int, padding: int) -> jax.Array:
    """Compute the convolution as the product of whole images and one matrix."""
    return convolution._conv2d_of_whole_images(x, kernel, (strides,) * 2, ((padding,) * 2,) * 2)


def of_windows(x: jax.Array, window: int, strides: int, padding: int) -> jax.Array:
    """Compute XLA's maximum over whole windows."""
    pads = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    return lax.reduce_window(x, -np.inf, lax.max, (1, window, window, 1), (1, strides, strides, 1), pads)


def chosen(x: jax.Array, kernel: jax.Array, strides: int, padding: int) -> jax.Array:
    """Compute the package's convolution."""
    return ops.conv2d(x, kernel, strides=strides, padding=padding)


def chosen_pool(x: jax.Array, window: int, strides: int, padding: int) -> jax.Array:
    """Compute the package's pooling."""
    return ops.max_pool2d(x, window, strides=strides, padding=padding)


def medians(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each call, timed in alternation, without the first call of each, which compiles."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            jax.block_until_ready(call())
            if number > 0:
                times[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}


def forms_of_convolution(
    x_shape: tuple[int, ...], kernel_shape: tuple[int, ...], strides: int, padding: int
) -> dict[str, Callable[[], object]]:
    """Calls of the implementations by name: the value, and the gradients except that of a first layer's image."""
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in (x_shape, kernel_shape))
    y = of_lax(x, kernel, strides, padding)
    forms = {"chosen": chosen, "canonical": canonical, "lax": of_lax}
    forms |= {f"product of {columns}": partial(product, columns) for columns in (1, 2, 4, 8)}
    if x_shape[1] * x_shape[2] <= 16:
        forms["whole images"] = whole_images
    forms["chosen, YNNPACK"] = chosen
    calls = {}
    for name, form in forms.items():

        def both(x: jax.Array, kernel: jax.Array, dy: jax.Array, form: Callable[..., jax.Array] = form) -> object:
            y, pull_back = jax.vjp(lambda *arrays: form(*arrays, strides, padding), x, kernel)
            return y, pull_back(dy)[1 if x.shape[-1] == 1 else slice(None)]

        options = {} if name.endswith("YNNPACK") else compilation.known_options()
        calls[name] = partial(jax.jit(both, compiler_options=options), x, kernel, y)
        np.testing.assert_allclose(calls[name]()[0], y, rtol=0, atol=1e-5 * float(jnp.abs(y).max()), err_msg=name)
    return calls


def forms_of_pool(x_shape: tuple[int, ...], *geometry: int) -> dict[str, Callable[[], object]]:
    """Calls of the implementations by name: the value and the gradient."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=x_shape), jnp.float32)
    calls = {}
    for name, form in {"chosen": chosen_pool, "whole windows": of_windows}.items():

        def both(x: jax.Array, form: Callable[..., jax.Array] = form) -> object:
            y, pull_back = jax.vjp(lambda x: form(x, *geometry), x)
            return y, pull_back(y)[0]

        calls[name] = partial(jax.jit(both, compiler_options=compilation.known_options()), x)
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5), *(call() for call in calls.values()))
    return calls


def show(title: str, results: dict[str, dict[str, float]]) -> None:
    """Print the table."""
    table = Table(title=f"{title}, milliseconds")
    forms = list(dict.fromkeys(form for times in results.values() for form in times))
    for heading in ("", *forms):
        table.add_column(heading, justify="right" if heading else "left")
    for name, times in results.items():
        table.add_row(name, *(f"{times[form]:.2f}" if form in times else "-" for form in forms))
    Console(width=160).print(table)


def as_markdown(results: dict[str, Any]) -> tuple[str, str]:
    """The medians as Markdown tables: of convolutions and of pools."""
    columns = dict.fromkeys(form for times in results["convolutions"].values() for form in times)
    rows = [("layer, value and gradients in ms", "images", "kernel", "stride", *columns)]
    for name, times in results["convolutions"].items():
        shape, kernel, stride, _ = CONVOLUTIONS[name]
        cells = (f"{times[form]:.1f}" if form in times else "-" for form in columns)
        rows.append((name, _dimensions(shape), _dimensions(kernel), str(stride), *cells))
    pools = [("pool, value and gradient in ms", "window, stride", "by axis", "XLA's")]
    for name, times in results["pools"].items():
        _, window, stride, _ = POOLS[name]
        pools.append((name, f"{window}, {stride}", f"{times['chosen']:.1f}", f"{times['whole windows']:.1f}"))
    return markdown_table(rows), markdown_table(pools)


def _dimensions(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def main(repeats: int = 9, batch_divisor: int = 1, output: Path | None = None) -> None:
    """Time the implementations of convolution and pooling.

    Args:
        repeats: number of samples of each.
        batch_divisor: divisor of the batch sizes, for a quick test.
        output: JSON file for the results; none by default.
    """
    configure_malloc()

    def smaller(shape: tuple[int, ...]) -> tuple[int, ...]:
        return (max(1, shape[0] // batch_divisor), *shape[1:])

    convolutions = {
        name: medians(forms_of_convolution(smaller(shape), *rest), repeats)
        for name, (shape, *rest) in CONVOLUTIONS.items()
    }
    pools = {name: medians(forms_of_pool(smaller(shape), *rest), repeats) for name, (shape, *rest) in POOLS.items()}
    show("Convolutions", convolutions)
    show("Maximum pools", pools)
    if output is not None:
        results = {
            "convolutions": convolutions,
            "pools": pools,
            "device": describe_devices(jax.devices()[:1]),
            "cpu_cores": os.cpu_count(),
            "versions": software_versions(),
        }
        output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
