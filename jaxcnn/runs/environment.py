"""What a run is made on: the device and the versions of the software."""

import contextlib
import ctypes
import hashlib
import logging
import os
import platform
import resource
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import TypeAlias

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxcnn.data.fashion_mnist.cache import cache_directory
from jaxcnn.errors import InputError

Device: TypeAlias = jax.Device  # pyright: ignore[reportInvalidTypeForm] -- a class, which JAX's types call a variable

_LOGGER = logging.getLogger(__name__)
# Options of mallopt(3): M_TRIM_THRESHOLD, none; M_MMAP_MAX, no block apart; M_ARENA_MAX, one for all threads.
_KEEPING = {-1: -1, -4: 0, -8: 1}
_GROUPS, _GROUPS_OF_PROCESS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_MB = 1_000_000
_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2", "sve": "SVE", "asimd": "NEON"}  # the widest first
_RECORDED = ("jaxcnn", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def find_devices(name: str | None, count: int | None) -> tuple[Device, ...]:
    """The first `count` devices of a platform.

    Args:
        name: of the platform: 'cpu', 'gpu' or 'tpu'; None for JAX's default.
        count: how many; None for all.

    Raises:
        InputError: if this machine has not as many; it says what there is.
    """
    try:
        devices = tuple(jax.devices(name))
    except RuntimeError as error:
        present = ", ".join(sorted({device.platform for device in jax.devices()} | {"cpu"}))
        raise InputError(
            f"no device {name!r} here: JAX finds {present}; choose one of these, or install its other platforms"
        ) from error
    if count is not None and not 1 <= count <= len(devices):
        raise InputError(f"{count} devices: of {devices[0].platform} there are {len(devices)} here, and 1 is the least")
    return devices[:count]


def room_for_images(name: str | None = None) -> int:
    """Bytes that the images of a data set may take, so that training has room beside them.

    Half of this machine's memory, where they lie once and again for each device that a processor stands for, and at
    most half of what JAX may have of a device with memory of its own; of several hosts the least of all.

    Args:
        name: of the platform, as in `find_devices`.

    Raises:
        InputError: as `find_devices` does.
    """
    devices = [device for device in find_devices(name, None) if device.process_index == jax.process_index()]
    memory = (devices[0].memory_stats() or {}).get("bytes_limit")  # None of a processor
    room = _machine_memory() // 2
    room = room // (1 + len(devices)) if memory is None else min(room, memory // 2)
    if jax.process_count() > 1:
        room = int(multihost_utils.process_allgather(np.int32(room // _MB)).min()) * _MB
    return room


def open_many_files() -> None:
    """Let this process have as many files open as it may: once read, each part of a data set stays open."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a system that allows fewer than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def provide_cpu_devices(count: int | None = None) -> None:
    """Let JAX take this machine's processor for `count` devices, or for one a core; before it computes anything.

    Where it has computed already, there stay as many as there are.

    Raises:
        InputError: if `count` is below 1.
    """
    if count is not None and count < 1:
        raise InputError(f"{count} devices: at least 1 is needed")
    try:
        jax.config.update("jax_num_cpu_devices", count or os.cpu_count() or 1)
    except RuntimeError as error:
        _LOGGER.debug("the processor stays %d devices: %s", len(jax.devices("cpu")), error)


def keep_compiled_programs() -> None:
    """Let JAX keep on disk what it compiles from here on, so that the next process starts at once.

    They lie in jaxcnn's cache, apart for each kind of processor, whose instructions they hold. Where the user has told
    JAX a directory, or not to keep anything, that stands.
    """
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    try:
        directory = cache_directory().with_name("compiled") / _processor()
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _LOGGER.warning("compiled programs are not kept in %s: %s", error.filename, error.strerror)
        return
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def compute_in_order() -> None:
    """Let XLA do without operations whose sums come in any order; before JAX computes anything."""
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()


def keep_memory() -> None:
    """Let this process keep the memory that it frees, for what it allocates next; as early as possible.

    On a CPU every program that XLA runs allocates what it computes with, and frees it. GNU's C library gives large
    blocks back to the system, which then has to provide them anew, page after page, filled with zeros. Where there is
    another C library, nothing is changed.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for option, value in _KEEPING.items():
            libc.mallopt(option, value)


def _machine_memory() -> int:
    """Bytes of memory that this process may have: those of the machine, or of the groups of Linux that it is in."""
    bounds = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for group in _groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):  # there is no such file, or it says "max"
                bounds.append(int((group / name).read_text(encoding="utf-8")))
    return min(bounds)


def _groups() -> Iterator[Path]:
    """The directories of the control groups that bound the memory of this process, and of those that hold them."""
    lines = []
    with contextlib.suppress(OSError):  # another system
        lines = _GROUPS_OF_PROCESS.read_text(encoding="utf-8").splitlines()
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers in ("", "memory"):
            path = _GROUPS / controllers / group.lstrip("/")
            yield from (path, *(parent for parent in path.parents if parent.is_relative_to(_GROUPS)))


def _processor() -> str:
    """A name for this kind of processor: of its instructions where Linux tells them."""
    return f"{platform.machine()}-{hashlib.sha256(_instructions().encode()).hexdigest()[:8]}"


def _instructions() -> str:
    """The instructions of this processor where Linux lists them, else the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())


def describe_devices(devices: Sequence[Device]) -> str:
    """`devices`, of one kind, in words, such as 'cpu, x86_64 AVX-512, 2 cores' or 'gpu, NVIDIA H100, 8 devices'."""
    first = devices[0]
    words = [first.platform, _describe_processor() if first.platform == "cpu" else first.device_kind]
    return ", ".join([*words, *([f"{len(devices)} devices"] if len(devices) > 1 else [])])


def _describe_processor() -> str:
    """Instruction set and cores, which decide how fast a processor is, such as 'x86_64 AVX-512, 2 cores'."""
    instructions = _instructions().split()
    widest = next((words for flag, words in _VECTORS.items() if flag in instructions), "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.machine()} {widest}".strip() + f", {cores} core{'s' if cores != 1 else ''}"


def software_versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide a run's figures."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _RECORDED}
