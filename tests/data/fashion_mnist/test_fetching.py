import importlib
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jaxcnn import InputError
from jaxcnn.data.fashion_mnist import fetching
from jaxcnn.data.fashion_mnist.directories import read_idx_files

fetch_through_tfds, fetch_debian_package = fetching.fetch_through_tfds, fetching.fetch_debian_package


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Puts scripts in the place of programs; what they are called with goes to the file `calls`."""
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()

    def put(name: str, script: str) -> None:
        path = bin_directory / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n{script}\n')
        path.chmod(0o755)

    monkeypatch.setenv("PATH", f"{bin_directory}:/usr/bin:/bin")
    put.calls = tmp_path / "calls"  # pyright: ignore[reportFunctionMemberAccess] -- a place to keep it
    return put


def test_a_network_that_never_answers_is_noticed(folder, monkeypatch):
    """A server that takes connections and says nothing, which TFDS would wait for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(fetching, "_TFDS_STALL_SECONDS", 5.0)
        began = time.monotonic()
        with pytest.raises(InputError, match="no byte came for 5 seconds"):
            fetch_through_tfds(folder)
        assert time.monotonic() - began < 60
        server.settimeout(0)
        server.accept()[0].close()  # it did try


def test_a_process_that_makes_progress_is_left_to_finish(folder):
    script = "for i in 1 2 3 4 5 6; do echo $i >> file; sleep 0.2; done"
    fetching._run_watched(["sh", "-c", script], folder, stall_seconds=0.9)
    assert (folder / "file").read_text() == "1\n2\n3\n4\n5\n6\n"


def test_a_process_that_takes_too_long_is_ended_with_what_it_started(folder):
    script = "sleep 60 & echo $! > started; while sleep 0.1; do echo more >> file; done"
    with pytest.raises(InputError, match="sh took longer than 1 seconds"):
        fetching._run_watched(["sh", "-c", script], folder, stall_seconds=5.0, total_seconds=1.0)
    started = int((folder / "started").read_text())
    state = Path(f"/proc/{started}/stat")
    deadline = time.monotonic() + 5
    while state.exists() and state.read_text().split()[2] != "Z":  # ended, if not yet laid to rest
        assert time.monotonic() < deadline, "what it started still runs"
        time.sleep(0.05)


def test_a_process_that_fails_tells_its_last_line(folder):
    with pytest.raises(InputError, match=r"^it broke$"):
        fetching._run_watched(["sh", "-c", "echo begun; echo it broke >&2; exit 3"], folder, stall_seconds=5.0)


def test_a_system_without_apt_is_said(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="no apt-get"):
        fetch_debian_package(folder)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="makes a Debian package, which needs dpkg-deb")
@pytest.mark.parametrize("lists", [True, False], ids=["with package lists", "without package lists"])
def test_the_package_is_downloaded_unpacked_and_not_installed(folder, gzipped, programs, tmp_path, monkeypatch, lists):
    monkeypatch.setattr(fetching, "DEBIAN_DIRECTORY", Path("/usr/share/datasets/fashion-mnist"))
    package = tmp_path / "package"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "DEBIAN" / "control").write_text(
        "Package: dataset-fashion-mnist\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\n"
        "Description: test\n"
    )
    shutil.copytree(gzipped, package / "usr" / "share" / "datasets" / "fashion-mnist")
    deb = tmp_path / "dataset-fashion-mnist_1_all.deb"
    subprocess.run(["dpkg-deb", "-b", package, deb], check=True, capture_output=True)
    own_lists = (
        f'case "$*" in *Dir::State::Lists={folder}/lists*) ;; *) echo "E: Unable to locate" >&2; exit 100;; esac'
    )
    programs("apt-get", ("" if lists else own_lists) + f'\ncase "$*" in *" download "*) cp {deb} . ;; esac')

    assert read_idx_files(fetch_debian_package(folder))

    calls = programs.calls.read_text().splitlines()
    assert [call.split()[-1] for call in calls] == (
        ["dataset-fashion-mnist"] if lists else ["dataset-fashion-mnist", "update", "dataset-fashion-mnist"]
    )
    assert not any(word in call.split() for call in calls for word in ("install", "sudo"))


def test_apt_that_cannot_get_it_tells_why(folder, programs):
    programs("apt-get", 'echo "E: no route to any mirror" >&2; exit 100')
    programs("dpkg-deb", "exit 1")
    with pytest.raises(InputError, match="E: no route to any mirror"):
        fetch_debian_package(folder)


def test_the_download_uses_tfdss_own_urls_and_checksums(folder, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    asked = {}

    class Manager:
        def __init__(self, **options):
            asked.update(options)

        def download(self, urls):
            asked["urls"] = urls
            paths = {name: folder / f"downloaded-{name}" for name in urls}
            for path in paths.values():
                path.write_bytes(b"")
            return paths

    monkeypatch.setattr(tfds.download, "DownloadManager", Manager)
    importlib.import_module("jaxcnn.data.fashion_mnist.tfds_download").main(folder)
    assert asked["force_checksums_validation"]
    known = tfds.core.download.checksums.get_all_url_infos()
    assert set(asked["urls"].values()) <= set(known)
    assert {path.name for path in folder.iterdir()} == set(asked["urls"])
    assert "tensorflow" not in sys.modules
