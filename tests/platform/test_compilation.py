import logging
import os

import jax
import pytest

from jaxcnn.platform import enable_compilation_cache, enable_deterministic_ops

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
