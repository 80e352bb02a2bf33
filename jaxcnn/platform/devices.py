"""The devices that JAX computes on, and their names."""

import logging
import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import jax

from jaxcnn.errors import InputError
from jaxcnn.words import count_of

Device: TypeAlias = jax.Device  # pyright: ignore[reportInvalidTypeForm] -- a class, which JAX's types call a variable
"""A device that JAX computes on."""

_LOGGER = logging.getLogger(__name__)
_ACCELERATORS = {"NVIDIA GPU": "nvidia[0-9]*", "AMD GPU": "kfd", "TPU": "accel[0-9]*"}  # names of files in /dev
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "sve": "SVE", "asimd": "NEON"}  # the widest first


def find_devices(name: str | None, count: int | None) -> tuple[Device, ...]:
    """The first `count` devices of a platform.

    Args:
        name: of the platform: 'cpu', 'gpu' or 'tpu'; None for JAX's default.
        count: number of devices; None for all.

    Raises:
        InputError: if this machine has fewer, or JAX cannot use the platform in JAX_PLATFORMS or JAX_PLATFORM_NAME.
    """
    devices = _default_devices()
    if name is not None:
        try:
            devices = tuple(jax.devices(name))
        except RuntimeError as error:
            present = ", ".join(sorted({device.platform for device in devices} | {"cpu"}))
            limit = jax.config.values["jax_platforms"]
            remedy = f"unset JAX_PLATFORMS={limit}" if limit else f"install jax for {name}"
            raise InputError(
                f"--platform {name}: JAX finds no such device here; choose one of {present}, or {remedy}"
            ) from error
    if count is not None and not 1 <= count <= len(devices):
        raise InputError(
            f"--num-devices {count}: expected 1 to {len(devices)}, the number of {devices[0].platform} devices here"
        )
    return devices[:count]


def find_accelerators(directory: Path = Path("/dev")) -> list[str]:
    """The kinds of accelerators whose device files are in `directory`, whether or not JAX can use them."""
    return [kind for kind, pattern in _ACCELERATORS.items() if any(directory.glob(pattern))]


@contextmanager
def require_devices() -> Iterator[None]:
    """Replace an error in the context by an InputError if its cause is that JAX has no device to compute on."""
    try:
        yield
    except (AssertionError, RuntimeError):
        _default_devices()
        raise


def _default_devices() -> tuple[Device, ...]:
    """The devices that JAX computes on by default.

    Raises:
        InputError: if it cannot use the platform in JAX_PLATFORMS or JAX_PLATFORM_NAME, or has none.
    """
    try:
        return tuple(jax.devices())
    except (AssertionError, RuntimeError) as error:  # JAX asserts that it has found a device
        reason = str(error).partition(" (set JAX_PLATFORMS")[0].partition("\n")[0]
        given = {name: jax.config.values[name.lower()] for name in ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")}
        names = " ".join(f"{name}={value}" for name, value in given.items() if value)
        what, remedy = (f"{names}: ", "unset it, or give cpu") if names else ("", "set JAX_PLATFORMS=cpu")
        raise InputError(
            f"{what}JAX cannot compute on such a device here{f' ({reason})' if reason else ''}; {remedy}"
        ) from error


def set_num_cpu_devices(count: int | None = None) -> None:
    """Let JAX use the processor as `count` devices, or as one for each core; call it before JAX computes anything.

    If JAX has computed already, the number stays as it is.

    Raises:
        InputError: if `count` is below 1.
    """
    if count is not None and count < 1:
        raise InputError(f"--num-devices {count}: expected 1 or more")
    try:
        jax.config.update("jax_num_cpu_devices", count or os.cpu_count() or 1)
    except RuntimeError as error:
        _LOGGER.debug("the number of CPU devices stays %d: %s", len(jax.devices("cpu")), error)


def describe_devices(devices: Sequence[Device]) -> str:
    """Devices of one kind in words, such as 'cpu, x86_64 AVX-512, 2 cores' or 'gpu, NVIDIA H100, 8 devices'."""
    first = devices[0]
    words = [first.platform, _describe_processor() if first.platform == "cpu" else first.device_kind]
    return ", ".join([*words, *([f"{len(devices)} devices"] if len(devices) > 1 else [])])


def cpu_instructions() -> str:
    """The instruction sets of this processor if Linux lists them, otherwise the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())


def _describe_processor() -> str:
    """Instruction set and cores, which decide the speed, such as 'x86_64 AVX-512, 2 cores'."""
    instructions = cpu_instructions().split()
    widest = next((words for flag, words in _VECTORS.items() if flag in instructions), "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.machine()} {widest}".strip() + f", {count_of(cores or 1, 'core')}"
