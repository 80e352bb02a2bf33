import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jaxcnn.data.fashion_mnist import cache
from jaxcnn.data.fashion_mnist.directories import read_directory, read_idx_files
from jaxcnn.data.fashion_mnist.spec import FILES
from jaxcnn.data.idx import write_idx


def test_gzipped_files_are_cached_uncompressed(gzipped, cache_files, arrays):
    read_directory(gzipped)
    assert {path.name for path in cache_files.iterdir()} == {file.name for file in FILES.values()}
    assert (read_idx_files(cache_files)["test_labels"] == arrays["test_labels"]).all()


def test_uncompressed_files_are_not_cached(raw, cache_files):
    read_directory(raw)
    assert not cache_files.exists()


def test_partial_files_are_removed(arrays, cache_files, monkeypatch, caplog):
    def disk_full(path, array):
        write_idx(path, array[: len(array) // 2])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(cache, "write_idx", disk_full)
    with caplog.at_level(logging.WARNING):
        cache.fill_cache(arrays)
    assert list(cache_files.iterdir()) == []
    assert "No space left on device" in caplog.text


def test_a_cache_that_cannot_be_written_logs_a_warning(gzipped, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert read_directory(gzipped)
    assert "cannot be written: Not a directory" in caplog.text


def test_an_unknown_home_directory_logs_a_warning(gzipped, monkeypatch, caplog):
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    assert read_directory(gzipped)
    assert "cannot be written: the home directory is unknown" in caplog.text


def test_processes_can_fill_the_cache_concurrently(cache_files, arrays, monkeypatch, caplog):
    """Threads stand for processes: each has its own process id, of which temporary names are made."""
    monkeypatch.setattr(cache.os, "getpid", threading.get_ident)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(25):
            filled = [pool.submit(cache.fill_cache, arrays) for _ in range(4)]
            while not all(future.done() for future in filled):
                if len(list(cache_files.glob("*ubyte"))) == 4:  # readers see complete files at any time
                    read_idx_files(cache_files)
            assert [future.result() for future in filled] == [None] * 4
    assert caplog.text == ""
    assert {path.name for path in cache_files.iterdir()} == {file.name for file in FILES.values()}
    assert (read_idx_files(cache_files)["train_images"] == arrays["train_images"]).all()


def test_stale_temporary_files_are_removed_after_an_hour(arrays, cache_files):
    cache_files.mkdir(parents=True)
    old, new = cache_files / "old.1.part", cache_files / "new.2.part"
    for path in (old, new):
        path.write_text("half")
    two_hours_ago = time.time() - 7200
    os.utime(old, (two_hours_ago, two_hours_ago))
    cache.fill_cache(arrays)
    assert not old.exists()
    assert new.exists()


def test_a_change_invalidates_a_verified_directory(tmp_path, cache_files):
    cache_files.mkdir(parents=True)
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    (prepared / "shard").write_text("examples")
    assert not cache.was_verified(cache.fingerprint(prepared))
    cache.remember_verified(cache.fingerprint(prepared))
    assert cache.was_verified(cache.fingerprint(prepared))
    (prepared / "shard").write_text("changed!!")
    assert not cache.was_verified(cache.fingerprint(prepared))


@pytest.mark.parametrize("content", ["", "{", "[1]", "7"])
def test_a_damaged_record_is_ignored(tmp_path, cache_files, content, caplog):
    cache_files.mkdir(parents=True)
    (cache_files / "verified.json").write_text(content)
    assert not cache.was_verified(cache.fingerprint(tmp_path))
    assert "ignoring the damaged file" in caplog.text
