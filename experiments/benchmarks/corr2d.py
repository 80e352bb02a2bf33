"""Compare the speed of `ops.corr2d` with the book's loop over pixels, SciPy and XLA's convolution.

    python experiments/benchmarks/corr2d.py [--size 512] [--kernel-size 11] [--repeats 9] [--output FILE]

All implementations are timed in one process, in alternation, so that other load on the machine affects them equally.
The first call of each, which compiles, is not timed. The table shows medians; the JSON file has all samples.
"""

import json
import os
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import jax
import numpy as np
import tyro
from jax import lax
from rich.console import Console
from rich.table import Table
from scipy.signal import correlate2d

from jaxcnn import ops
from jaxcnn.platform import describe_devices, software_versions

OURS = "ops.corr2d"


def pixel_loop(x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Compute the book's definition in NumPy, one output pixel at a time."""
    y = np.zeros((x.shape[0] - k.shape[0] + 1, x.shape[1] - k.shape[1] + 1), x.dtype)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = (x[i : i + k.shape[0], j : j + k.shape[1]] * k).sum()
    return y


def xla_convolution(x: jax.Array, k: jax.Array) -> jax.Array:
    """Compute the same with XLA's convolution, with one channel."""
    images, kernel = x[None, :, :, None], k[:, :, None, None]
    y = lax.conv_general_dilated(images, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y[0, :, :, 0]


def measure(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Time each call `repeats` times, in alternation, in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        jax.block_until_ready(call())
    for _ in range(repeats):
        for name, call in calls.items():
            begin = time.perf_counter()
            jax.block_until_ready(call())
            times[name].append(1000 * (time.perf_counter() - begin))
    return times


def main(size: int = 512, kernel_size: int = 11, repeats: int = 9, output: Path | None = None) -> None:
    """Time `ops.corr2d`, a loop over pixels, SciPy and XLA's convolution.

    Args:
        size: height and width of the image, in pixels.
        kernel_size: height and width of the kernel.
        repeats: number of samples of each.
        output: JSON file for the results; none by default.
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(size, size)).astype(np.float32)
    k = rng.normal(size=(kernel_size, kernel_size)).astype(np.float32)
    x_device, k_device = jax.device_put((x, k))
    ours, convolution = jax.jit(ops.corr2d), jax.jit(xla_convolution)
    calls = {
        "NumPy, loop over pixels": lambda: pixel_loop(x, k),
        "SciPy, correlate2d": lambda: correlate2d(x, k, mode="valid"),
        "XLA, convolution": lambda: convolution(x_device, k_device),
        OURS: lambda: ours(x_device, k_device),
    }
    expected = correlate2d(x.astype(np.float64), k.astype(np.float64), mode="valid")
    for name, call in calls.items():
        np.testing.assert_allclose(call(), expected, rtol=0, atol=1e-5 * kernel_size**2, err_msg=name)

    times = measure(calls, repeats)
    medians = {name: statistics.median(values) for name, values in times.items()}
    device = describe_devices(jax.devices()[:1])
    table = Table(title=f"{size}x{size} image, {kernel_size}x{kernel_size} kernel, {device}")
    table.add_column("")
    table.add_column("ms, median", justify="right")
    table.add_column(f"times {OURS}", justify="right")
    for name, median in medians.items():
        table.add_row(name, f"{median:.2f}", f"{median / medians[OURS]:.1f}")
    Console().print(table)

    if output is not None:
        results = {
            "size": size,
            "kernel_size": kernel_size,
            "milliseconds": medians,
            "ratios": {name: median / medians[OURS] for name, median in medians.items()},
            "samples": times,
            "device": device,
            "cpu_cores": os.cpu_count(),
            "versions": software_versions() | {"scipy": metadata.version("scipy")},
        }
        output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
