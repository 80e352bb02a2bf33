import os
import platform
import resource
import subprocess
import sys

import pytest

from jaxcnn.platform import memory, memory_budget, raise_file_limit


class Card:
    """Stands for a device with its own memory, or for a CPU."""

    platform = "gpu"
    process_index = 0

    def __init__(self, memory):
        self.memory = memory

    def memory_stats(self):
        return None if self.memory is None else {"bytes_limit": self.memory}


@pytest.mark.parametrize(
    ("devices", "budget"),
    [([Card(None)], 500_000), ([Card(None)] * 3, 250_000), ([Card(600_000)] * 2, 300_000), ([Card(10**9)], 1_000_000)],
)
def test_images_get_half_of_the_memory(monkeypatch, devices, budget):
    """A CPU holds a copy for each of its devices; another device holds its own."""
    monkeypatch.setattr(memory, "_machine_memory", lambda: 2_000_000)
    monkeypatch.setattr(memory, "find_devices", lambda *_: devices)
    assert memory_budget() == budget


def test_memory_is_limited_by_control_groups(monkeypatch, tmp_path):
    """Of both versions of control groups, the process's own or a parent."""
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "_GROUPS_OF_PROCESS", tmp_path / "of-process")
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory._machine_memory() == machine
    for line, name in (("0::/job/step", "job/memory.max"), ("9:memory:/job", "memory/job/memory.limit_in_bytes")):
        (tmp_path / "of-process").write_text(f"7:cpu:/elsewhere\n{line}\n")
        limit = tmp_path / "groups" / name
        limit.parent.mkdir(parents=True)
        for content, expected in (("max\n", machine), (f"{machine // 2}\n", machine // 2)):
            limit.write_text(content)
            assert memory._machine_memory() == expected


def test_the_file_limit_is_raised_to_the_maximum():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1] - 1, before[1]))
    raise_file_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_freed_memory_is_reused():
    """A block that is freed and allocated again needs no new pages with glibc."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    program = """
import resource, numpy as np
from jaxcnn.platform import configure_malloc
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def take():
    before = faults()
    np.ones(2**24)
    return faults() - before
take()
usual = take()
configure_malloc()
take()
print(usual, take())
"""
    usual, kept = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert int(kept) < int(usual) / 10


@pytest.mark.parametrize(("memory_in_mb", "is_released"), [(1, True), (10**6, False)])
def test_freed_memory_is_released_if_it_is_much(memory_in_mb, is_released):
    """Of a process with more than a quarter of the machine's memory, with glibc."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    program = f"""
import numpy as np
from jaxcnn.platform import configure_malloc, memory, release_memory
memory._machine_memory = lambda: {memory_in_mb} * 10**6
configure_malloc()
blocks = [np.ones(2**24), np.ones(2**10)]
del blocks[0]
before = memory._resident_memory()
release_memory()
print(before - memory._resident_memory())
"""
    command = [sys.executable, "-c", program]
    released = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (released > 8 * 2**24 / 2) == is_released
