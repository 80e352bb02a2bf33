import logging
import os
import platform
import resource
import subprocess
import sys

import jax
import pytest

from jaxcnn import InputError
from jaxcnn.runs import environment
from jaxcnn.runs.environment import (
    compute_in_order,
    describe_devices,
    find_devices,
    keep_compiled_programs,
    open_many_files,
    room_for_images,
    software_versions,
)

KEPT = {"jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"}


@pytest.fixture
def no_directory_yet():
    """JAX as it starts; afterwards as it was."""
    before = {name: getattr(jax.config, name) for name in KEPT}
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_a_platform_is_found_by_its_name():
    assert find_devices("cpu", 1)[0].platform == "cpu"
    assert find_devices(None, 2) == tuple(jax.devices()[:2])
    assert find_devices(None, None) == tuple(jax.devices())


def test_a_platform_that_is_not_there_says_which_are():
    with pytest.raises(InputError, match=r"no device 'abacus' here: JAX finds .*cpu"):
        find_devices("abacus", 1)


@pytest.mark.parametrize("count", [0, 9])
def test_more_devices_than_there_are_are_refused(count):
    with pytest.raises(InputError, match=f"{count} devices: of cpu there are 8 here, and 1 is the least"):
        find_devices("cpu", count)


def test_a_device_is_described_in_words():
    assert describe_devices(find_devices("cpu", 1)).startswith("cpu, ")
    assert describe_devices(find_devices("cpu", 3)).endswith(", 3 devices")


class Card:
    """What stands for a device with memory of its own, or for a processor."""

    platform = "gpu"
    process_index = 0

    def __init__(self, memory):
        self.memory = memory

    def memory_stats(self):
        return None if self.memory is None else {"bytes_limit": self.memory}


@pytest.mark.parametrize(
    ("devices", "room"),
    [([Card(None)], 500_000), ([Card(None)] * 3, 250_000), ([Card(600_000)] * 2, 300_000), ([Card(10**9)], 1_000_000)],
)
def test_images_and_their_copies_may_take_half_of_the_memory(monkeypatch, devices, room):
    """A processor holds a copy for each device that it stands for; another device holds its own."""
    monkeypatch.setattr(environment, "_machine_memory", lambda: 2_000_000)
    monkeypatch.setattr(environment, "find_devices", lambda *_: devices)
    assert room_for_images() == room


def test_memory_is_that_of_the_smallest_group_that_this_process_is_in(monkeypatch, tmp_path):
    """Of both versions of control groups, its own or one that holds that."""
    monkeypatch.setattr(environment, "_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(environment, "_GROUPS_OF_PROCESS", tmp_path / "of-process")
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert environment._machine_memory() == machine
    for line, name in (("0::/job/step", "job/memory.max"), ("9:memory:/job", "memory/job/memory.limit_in_bytes")):
        (tmp_path / "of-process").write_text(f"7:cpu:/elsewhere\n{line}\n")
        limit = tmp_path / "groups" / name
        limit.parent.mkdir(parents=True)
        for content, memory in (("max\n", machine), (f"{machine // 2}\n", machine // 2)):
            limit.write_text(content)
            assert environment._machine_memory() == memory


def test_as_many_files_may_be_open_as_the_system_allows():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1] - 1, before[1]))
    open_many_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_versions_are_recorded():
    assert software_versions()["jax"] == jax.__version__


def test_sums_in_any_order_are_left_out_on_request(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    compute_in_order()
    assert os.environ["XLA_FLAGS"] == "--xla_dump_to=here --xla_gpu_deterministic_ops=true"


def test_memory_that_was_freed_is_kept():
    """A block that is freed and taken again brings no new pages, where GNU's C library can be told so."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    program = """
import resource, numpy as np
from jaxcnn.runs import keep_memory
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def take():
    before = faults()
    np.ones(2**24)
    return faults() - before
take()
usual = take()
keep_memory()
take()
print(usual, take())
"""
    usual, kept = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert int(kept) < int(usual) / 10


def test_compiled_programs_are_kept_in_the_cache(no_directory_yet, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    keep_compiled_programs()
    (directory,) = (tmp_path / "jaxcnn" / "compiled").iterdir()
    assert jax.config.jax_compilation_cache_dir == str(directory)


def test_a_directory_that_the_user_chose_stands(no_directory_yet, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", "chosen")
    keep_compiled_programs()
    assert jax.config.jax_compilation_cache_dir == "chosen"
    assert not list(tmp_path.iterdir())


def test_without_a_place_for_them_compiled_programs_are_not_kept(no_directory_yet, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, logger="jaxcnn"):
        keep_compiled_programs()
    assert jax.config.jax_compilation_cache_dir is None
    assert "compiled programs are not kept" in caplog.text
