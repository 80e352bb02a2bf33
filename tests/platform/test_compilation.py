import logging
import os
import warnings
from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from jaxcnn import InputError
from jaxcnn.platform import check_deterministic_ops, enable_compilation_cache, enable_deterministic_ops

KEPT = {"jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"}


@pytest.fixture
def no_directory_yet():
    """JAX without a cache directory; restored afterwards."""
    before = {name: getattr(jax.config, name) for name in KEPT}
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


def test_deterministic_ops_keep_other_flags(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    enable_deterministic_ops()
    assert os.environ["XLA_FLAGS"] == "--xla_dump_to=here --xla_gpu_deterministic_ops=true"
    check_deterministic_ops("gpu")


def test_a_deterministic_run_needs_deterministic_ops(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    check_deterministic_ops("cpu")
    with pytest.raises(InputError, match=r"deterministic: call platform.enable_deterministic_ops\(\) before JAX"):
        check_deterministic_ops("gpu")


def test_compiled_programs_are_cached(no_directory_yet, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    enable_compilation_cache()
    (directory,) = (tmp_path / "jaxcnn" / "compiled").iterdir()
    assert jax.config.jax_compilation_cache_dir == str(directory)


def test_a_directory_of_the_user_is_kept(no_directory_yet, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", "chosen")
    enable_compilation_cache()
    assert jax.config.jax_compilation_cache_dir == "chosen"
    assert not list(tmp_path.iterdir())


def test_an_unusable_cache_is_a_warning(no_directory_yet, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, logger="jaxcnn"):
        enable_compilation_cache()
    assert jax.config.jax_compilation_cache_dir is None
    assert "compiled programs are not cached" in caplog.text


@pytest.mark.filterwarnings("default")  # JAX warns of each damaged file
@pytest.mark.parametrize("doing", ["reading", "writing"])
def test_damaged_programs_are_removed_with_one_line(no_directory_yet, monkeypatch, tmp_path, caplog, doing):
    shown = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: shown.append(str(message)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    enable_compilation_cache()
    enable_compilation_cache()
    directory = Path(jax.config.jax_compilation_cache_dir)
    for name in ("jit_step-1-cache", "jit_step-2-cache", "jit_init-3-cache", "jit_steps-4-cache"):
        (directory / name).touch()
    with caplog.at_level(logging.WARNING, logger="jaxcnn"):
        for name in ("jit_step", "jit_init"):
            warnings.warn(f"Error {doing} persistent compilation cache entry for '{name}': Error: 5", stacklevel=1)
        warnings.warn("something else", stacklevel=1)
    assert [path.name for path in directory.iterdir()] == ["jit_steps-4-cache"]
    (line,) = caplog.messages
    assert line.startswith(f"error {doing} compiled programs in {directory}: ")
    assert shown == ["something else"]


@pytest.mark.filterwarnings("default")
def test_jax_writes_a_damaged_program_again(no_directory_yet, monkeypatch, tmp_path, caplog, record_fault):
    def compiled():
        def triple(x):
            return 3 * x

        return jax.jit(triple)

    def stored():
        (path,) = Path(jax.config.jax_compilation_cache_dir).glob("jit_triple-*-cache")
        return path

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c[1]"))
    enable_compilation_cache()
    try:
        jax.config.update("jax_enable_compilation_cache", True)
        compilation_cache.reset_cache()
        assert compiled()(2) == 6
        whole = stored().stat().st_size
        os.truncate(stored(), whole // 2)
        with caplog.at_level(logging.WARNING, logger="jaxcnn"):
            assert compiled()(2) == 6
    finally:
        jax.config.update("jax_enable_compilation_cache", False)
        compilation_cache.reset_cache()
    assert abs(stored().stat().st_size - whole) < 100
    (line,) = caplog.messages
    record_fault(
        "compiled programs that are truncated", "compiled and written again, with one line",
        line.replace(jax.config.jax_compilation_cache_dir, "CACHE"),
    )  # fmt: skip
