"""Fetching Fashion-MNIST over the network: through TFDS's own download, or as Debian's package.

Each download runs in a subprocess that is killed when it stalls, because TFDS retries a dead network for minutes.
"""

import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jaxcnn.errors import InputError

DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")

_TFDS_STALL_SECONDS = 8.0
_APT_STALL_SECONDS = 20.0
_APT_TOTAL_SECONDS = 120.0  # for each command
_APT_OPTIONS = (
    "Acquire::Retries=0",
    "Acquire::http::Timeout=8",
    "Acquire::https::Timeout=8",
    "Acquire::Languages=none",
    "APT::Sandbox::User=",
    "Debug::NoLocking=true",
)


def fetch_through_tfds(folder: Path) -> Path:
    """Download the four gzipped files into `folder` with TFDS, which verifies their checksums.

    Returns:
        The directory with the files.

    Raises:
        InputError: if the download fails, or receives no data for 8 seconds.
    """
    _run_watched(
        [sys.executable, "-m", "jaxcnn.data.fashion_mnist.tfds_download", str(folder)], folder, _TFDS_STALL_SECONDS
    )
    return folder


def fetch_debian_package(folder: Path) -> Path:
    """Download Debian's package into `folder` and unpack it there, without installing it and without root.

    Returns:
        The directory with the files.

    Raises:
        InputError: if apt-get is missing, or cannot download the package.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise InputError("apt-get or dpkg-deb is not installed")
    options = [word for option in _APT_OPTIONS for word in ("-o", option)]
    download = ["apt-get", *options, "download", DEBIAN_PACKAGE]
    try:
        _run_apt(download, folder)
    except InputError:  # usually because package lists are missing: download them here
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True)
        options += ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder / 'apt-cache'}"]
        (folder / "apt-cache" / "archives" / "partial").mkdir(parents=True)
        _run_apt(["apt-get", *options, "update"], folder)
        _run_apt(["apt-get", *options, "download", DEBIAN_PACKAGE], folder)
    package = next(folder.glob(f"{DEBIAN_PACKAGE}_*.deb"), None)
    if package is None:
        raise InputError(f"apt-get did not download {DEBIAN_PACKAGE}")
    _run_apt(["dpkg-deb", "-x", str(package), str(folder / "package")], folder)
    return folder / "package" / DEBIAN_DIRECTORY.relative_to("/")


def _run_apt(command: list[str], folder: Path) -> None:
    _run_watched(command, folder, _APT_STALL_SECONDS, _APT_TOTAL_SECONDS)


def _run_watched(command: list[str], folder: Path, stall_seconds: float, total_seconds: float = math.inf) -> None:
    """Run `command` in `folder`. Kill it if `folder` stops growing for `stall_seconds`, or after `total_seconds`."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)},
            start_new_session=True,  # a process group, so that its children are killed with it
        )
        try:
            size, start = 0, time.monotonic()
            last_growth = start
            while process.poll() is None:
                time.sleep(0.05)
                new_size = _size(folder)
                if new_size != size:
                    size, last_growth = new_size, time.monotonic()
                elif time.monotonic() - last_growth > stall_seconds:
                    raise InputError(f"received no data for {stall_seconds:g} seconds")
                if time.monotonic() - start > total_seconds:
                    raise InputError(f"{command[0]} took longer than {total_seconds:g} seconds")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode != 0:
            output.seek(0)
            lines = output.read().decode(errors="replace").split("\n")
            reason = next((line.strip() for line in reversed(lines) if line.strip()), f"exit code {process.returncode}")
            raise InputError(reason[:300])


def _size(folder: Path) -> int:
    """Total bytes of the files in `folder`."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except FileNotFoundError:  # moved after it was listed
                total += 1
    return total
