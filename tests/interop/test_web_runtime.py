import pytest

from jaxcnn import InputError
from jaxcnn.interop import web_runtime
from jaxcnn.interop.web_runtime import ARCHIVE, load_runtime, runtime_archive


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """An empty cache, and a directory of programs that is the whole PATH."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    (tmp_path / "programs").mkdir()
    return tmp_path / "programs"


def install_npm(programs, script):
    (programs / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "npm").chmod(0o755)


def cached():
    return [path.name for path in runtime_archive().parent.iterdir()]


def test_without_npm_the_remedy_is_named(programs, record_fault):
    with pytest.raises(InputError, match="needs npm") as raised:
        load_runtime()
    record_fault("an export to a web page without npm", "an `InputError`, nothing written", str(raised.value))


def test_the_reason_of_npm_is_shown(programs, record_fault):
    install_npm(programs, 'echo "npm error code ENOTFOUND" >&2; echo "npm error more" >&2; exit 1')
    with pytest.raises(InputError, match="ENOTFOUND") as raised:
        load_runtime()
    assert cached() == []
    record_fault("an export to a web page without a network", "an `InputError`, nothing written", str(raised.value))


def test_an_archive_with_another_sha256_is_not_kept(programs):
    install_npm(programs, f"echo other > {ARCHIVE}")
    with pytest.raises(InputError, match="its SHA-256 differs: check npm's settings"):
        load_runtime()
    assert cached() == []


def test_a_damaged_archive_in_the_cache_is_named(programs, record_fault):
    runtime_archive().parent.mkdir(parents=True)
    runtime_archive().write_bytes(b"damaged")
    with pytest.raises(InputError, match="its SHA-256 differs: remove it") as raised:
        load_runtime()
    record_fault("a damaged onnxruntime-web in the cache", "an `InputError` that names it", str(raised.value))


def test_npm_that_hangs_is_stopped(programs, monkeypatch):
    monkeypatch.setattr(web_runtime, "_TIMEOUT", 0.1)
    install_npm(programs, "while true; do :; done")
    with pytest.raises(InputError, match=r"npm did not download onnxruntime-web in 0\.1 seconds"):
        load_runtime()
    assert cached() == []


def test_the_pinned_release_has_both_files():
    if not runtime_archive().exists():
        pytest.skip("onnxruntime-web is not in jaxcnn's cache: jaxcnn export RUN --format web")
    script, wasm = load_runtime()
    assert f"ONNX Runtime Web v{web_runtime.VERSION}".encode() in script[:200]
    assert wasm.startswith(b"\0asm")


def test_without_a_home_directory_the_remedy_is_named(programs, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pathlib.Path.home", lambda: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(InputError, match="the home directory is unknown: set XDG_CACHE_HOME"):
        load_runtime()
