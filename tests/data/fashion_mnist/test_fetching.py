import contextlib
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
    """A function that replaces programs by scripts; the file `calls` records their arguments."""
    bin_directory = tmp_path / "bin"
    bin_directory.mkdir()

    def put(name: str, script: str) -> None:
        path = bin_directory / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n{script}\n')
        path.chmod(0o755)

    monkeypatch.setenv("PATH", f"{bin_directory}:/usr/bin:/bin")
    put.calls = tmp_path / "calls"  # pyright: ignore[reportFunctionMemberAccess]
    return put


def test_a_network_that_never_answers_is_given_up(folder, monkeypatch):
    """The server accepts connections and never answers; TFDS alone would wait."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr(fetching, "_TFDS_STALL_SECONDS", 0.5)
        server.setblocking(False)
        connections = []

        def grow_until_connected(folder):
            if not connections:
                with contextlib.suppress(BlockingIOError):
                    connections.append(server.accept()[0])
            return time.monotonic() if not connections else 0

        monkeypatch.setattr(fetching, "_size", grow_until_connected)
        with pytest.raises(InputError, match=r"received no data for 0\.5 seconds"):
            fetch_through_tfds(folder)
        connections[0].close()


def test_a_process_that_makes_progress_finishes(folder):
    script = "for i in 1 2 3 4 5 6; do echo $i >> file; sleep 0.1; done"
    fetching._run_watched(["sh", "-c", script], folder, stall_seconds=0.5)
    assert (folder / "file").read_text() == "1\n2\n3\n4\n5\n6\n"


def test_a_slow_process_is_killed_with_its_children(folder):
    script = "sleep 60 & echo $! > started; while sleep 0.1; do echo more >> file; done"
    with pytest.raises(InputError, match=r"sh took longer than 0\.5 seconds"):
        fetching._run_watched(["sh", "-c", script], folder, stall_seconds=5.0, total_seconds=0.5)
    started = int((folder / "started").read_text())
    state = Path(f"/proc/{started}/stat")
    deadline = time.monotonic() + 5
    while state.exists() and state.read_text().split()[2] != "Z":  # Z is a killed process that is not yet reaped
        assert time.monotonic() < deadline, "the child process still runs"
        time.sleep(0.05)


def test_a_failed_process_reports_its_last_line(folder):
    with pytest.raises(InputError, match=r"^it broke$"):
        fetching._run_watched(["sh", "-c", "echo begun; echo it broke >&2; exit 3"], folder, stall_seconds=5.0)


def test_missing_apt_is_reported(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="apt-get or dpkg-deb is not installed"):
        fetch_debian_package(folder)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="builds a Debian package with dpkg-deb")
@pytest.mark.parametrize("lists", [True, False], ids=["with package lists", "without package lists"])
def test_the_debian_package_is_unpacked_without_installing(folder, gzipped, programs, tmp_path, monkeypatch, lists):
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


def test_a_failure_of_apt_reports_its_reason(folder, programs):
    programs("apt-get", 'echo "E: no route to any mirror" >&2; exit 100')
    programs("dpkg-deb", "exit 1")
    with pytest.raises(InputError, match="E: no route to any mirror"):
        fetch_debian_package(folder)


def test_the_download_uses_the_urls_and_checksums_of_tfds(folder, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    calls = {}

    class Manager:
        def __init__(self, **options):
            calls.update(options)

        def download(self, urls):
            calls["urls"] = urls
            paths = {name: folder / f"downloaded-{name}" for name in urls}
            for path in paths.values():
                path.write_bytes(b"")
            return paths

    monkeypatch.setattr(tfds.download, "DownloadManager", Manager)
    importlib.import_module("jaxcnn.data.fashion_mnist.tfds_download").main(folder)
    assert calls["force_checksums_validation"]
    known = tfds.core.download.checksums.get_all_url_infos()
    assert set(calls["urls"].values()) <= set(known)
    assert {path.name for path in folder.iterdir()} == set(calls["urls"])
    assert "tensorflow" not in sys.modules
