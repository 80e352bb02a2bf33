"""The memory of this machine, how the C library manages it, and the limit on open files."""

import contextlib
import ctypes
import os
import platform
import resource
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxcnn.platform.devices import find_devices

# Options of mallopt(3): M_TRIM_THRESHOLD, none; M_MMAP_MAX, no separate blocks; M_ARENA_MAX, one for all threads.
_MALLOC_OPTIONS = {-1: -1, -4: 0, -8: 1}
_GROUPS, _GROUPS_OF_PROCESS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_MB = 1_000_000


def memory_budget(name: str | None = None) -> int:
    """Bytes that the images of a data set can take, so that there is memory for training.

    On a CPU the images are stored once and again for each device; together they get half of this machine's memory. On a
    device with its own memory they get at most half of what JAX can use of it. Several processes agree on the minimum.

    Args:
        name: of the platform, as for `find_devices`.

    Raises:
        InputError: as for `find_devices`.
    """
    devices = [device for device in find_devices(name, None) if device.process_index == jax.process_index()]
    memory = (devices[0].memory_stats() or {}).get("bytes_limit")  # None for a CPU
    budget = _machine_memory() // 2
    budget = budget // (1 + len(devices)) if memory is None else min(budget, memory // 2)
    if jax.process_count() > 1:
        budget = int(multihost_utils.process_allgather(np.int32(budget // _MB)).min()) * _MB
    return budget


def raise_file_limit() -> None:
    """Raise the limit on open files to the maximum: each part of a data set stays open after it was read."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # some systems allow fewer than they report
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))


def configure_malloc() -> None:
    """Let the C library keep freed memory for later allocations; call it as early as possible.

    On a CPU, every program that XLA runs allocates its buffers and frees them. glibc returns large blocks to the
    system, which then has to map and clear them again for the next program. Other C libraries are left as they are.
    `release_memory` limits what is kept.
    """
    if _has_glibc():
        libc = ctypes.CDLL(None)
        for option, value in _MALLOC_OPTIONS.items():
            libc.mallopt(option, value)


def release_memory() -> None:
    """Return freed memory to the system if this process has more than a quarter of the memory that it can use.

    The free blocks that `configure_malloc` keeps may be too small for the next program. The process then grows with
    each program, to several times of what one needs. Other C libraries than glibc are left as they are.
    """
    if _has_glibc() and _resident_memory() > _machine_memory() // 4:
        ctypes.CDLL(None).malloc_trim(0)


@cache
def _has_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"


def _resident_memory() -> int:
    """Bytes of this process that are in memory, on Linux."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _machine_memory() -> int:
    """Bytes of memory that this process can use: the machine's, or the limit of its control groups."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for group in _groups():
        for name in ("memory.max", "memory.limit_in_bytes"):
            with contextlib.suppress(OSError, ValueError):  # no such file, or it says "max"
                limits.append(int((group / name).read_text(encoding="utf-8")))
    return min(limits)


def _groups() -> Iterator[Path]:
    """The directories of the control groups that limit the memory of this process, and of their parents."""
    lines = []
    with contextlib.suppress(OSError):  # another system
        lines = _GROUPS_OF_PROCESS.read_text(encoding="utf-8").splitlines()
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers in ("", "memory"):
            path = _GROUPS / controllers / group.lstrip("/")
            yield from (path, *(parent for parent in path.parents if parent.is_relative_to(_GROUPS)))
