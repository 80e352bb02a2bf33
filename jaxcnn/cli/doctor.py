"""The command doctor: the facts that a bug report needs, and a check of one compiled step."""

import os
import platform as system
import re
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from rich.table import Table

from jaxcnn import platform
from jaxcnn.cli.options import later
from jaxcnn.data import find_fashion_mnist
from jaxcnn.errors import InputError
from jaxcnn.models import LeNet
from jaxcnn.training import TrainState, create_train_state, train_step
from jaxcnn.writers import PlainConsole

_VARIABLES = re.compile("(JAX|XLA|TFDS|CUDA|NVIDIA|OMP)[A-Z_0-9]*|XDG_CACHE_HOME")
_BATCH_SIZE, _NUM_STEPS = 256, 10
_TOLERANCE = 0.05  # by default, GPUs and TPUs compute products with less precision than float32


@later
def doctor() -> None:
    """Show versions, devices, settings and data, and check one compiled step.

    Include the output in a bug report.
    """
    console = PlainConsole()
    for name, describe in _FACTS.items():
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_column(width=8)
        row.add_column(overflow="fold")
        row.add_row(name, describe())
        console.print(row)


def _versions() -> str:
    """Python, the system, and the installed packages that jaxcnn can use."""
    found = [f"jaxcnn {metadata.version('jaxcnn')}", f"Python {system.python_version()}", system.platform()]
    needed = [line for line in metadata.requires("jaxcnn") or () if not re.search("extra == '(test|dev)'", line)]
    for name in sorted({re.split(r"[^\w-]", line)[0] for line in needed} | {"jaxlib"}):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:  # of an extra that is not installed
            continue
    return ", ".join(found)


def _environment() -> str:
    found = [f"{name}={value}" for name, value in sorted(os.environ.items()) if _VARIABLES.fullmatch(name)]
    return " ".join(found) or "no variable of JAX, XLA or jaxcnn is set"


def _devices() -> str:
    """The devices of JAX, and an accelerator of this machine that JAX does not use."""
    devices = platform.find_devices(None, None)
    words, present = platform.describe_devices(devices), platform.find_accelerators()
    if devices[0].platform != "cpu" or not present:
        return words
    return f"{words}; JAX does not use the {present[0]} of this machine: install jax for it, and check JAX_PLATFORMS"


def _memory() -> str:
    budget = f"images of a data set may take {platform.memory_budget() / 1e9:.1f} GB"
    stats = platform.find_devices(None, 1)[0].memory_stats() or {}
    if "bytes_limit" not in stats:
        return f"{budget}; nothing is allocated in advance"
    preallocates = os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "true").lower() not in ("0", "false")
    when = "allocated in advance" if preallocates else "allocated as needed"
    return f"{budget}; JAX can use {stats['bytes_limit'] / 1e9:.1f} GB of the device, {when}"


def _cache() -> str:
    platform.enable_compilation_cache()
    directory = jax.config.values["jax_compilation_cache_dir"]
    if directory is None or not jax.config.values["jax_enable_compilation_cache"]:
        return "compiled programs are not cached"
    sizes = [path.stat().st_size for path in Path(directory).rglob("*-cache")]
    return f"{directory}: {len(sizes)} programs, {sum(sizes) / 1e6:.1f} MB"


def _data() -> str:
    directory = find_fashion_mnist()
    return "Fashion-MNIST is not on this machine; it is fetched when needed" if directory is None else f"{directory}"


def _step() -> str:
    """Compare a compiled step of LeNet on JAX's default device with an uncompiled step on the CPU."""
    images = np.random.default_rng(0).random((_BATCH_SIZE, 28, 28, 1), np.float32)
    labels = np.arange(_BATCH_SIZE) % 10
    state = create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), (28, 28, 1))
    start = time.perf_counter()
    found = jax.block_until_ready(train_step(state, images, labels)[0])
    compiling, seconds = time.perf_counter() - start, []
    for _ in range(_NUM_STEPS):
        start = time.perf_counter()
        jax.block_until_ready(train_step(state, images, labels))
        seconds.append(time.perf_counter() - start)
    cpu = jax.devices("cpu")[0]
    with jax.disable_jit(), jax.default_device(cpu):
        expected, _ = train_step(jax.device_put(state, cpu), images, labels)
    error = _difference(_update(state, found), _update(state, expected))
    if not error <= _TOLERANCE:  # also true for NaN
        raise InputError(
            f"a compiled step of LeNet changes the parameters wrongly, relative error {error:.1e}: expected at most "
            f"{_TOLERANCE}; try another version of jax"
        )
    return (
        f"LeNet, {_BATCH_SIZE} images: compiled in {compiling:.1f} s, {1000 * statistics.median(seconds):.1f} ms a "
        f"step; relative error {error:.0e}"
    )


def _update(before: TrainState, after: TrainState) -> np.ndarray:
    """The change of all parameters, as one vector on the host."""
    flat = [jnp.ravel(leaf) for leaf in jax.tree.leaves(after.params)]
    start = [jnp.ravel(leaf) for leaf in jax.tree.leaves(before.params)]
    return np.concatenate(jax.device_get(flat)) - np.concatenate(jax.device_get(start))


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


_FACTS: dict[str, Callable[[], str]] = {  # those that can raise an error are last
    "versions": _versions,
    "settings": _environment,
    "cache": _cache,
    "devices": _devices,
    "memory": _memory,
    "step": _step,
    "data": _data,
}
