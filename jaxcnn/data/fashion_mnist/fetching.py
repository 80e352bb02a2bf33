"""Fashion-MNIST fetched over the network: through TFDS's own download, or as Debian's package.

Each runs as a process of its own that is watched: where no byte comes for a while it is ended, because TFDS would try
a dead network again for minutes.
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
_APT_TOTAL_SECONDS = 120.0  # of each command
_APT_OPTIONS = (
    "Acquire::Retries=0",
    "Acquire::http::Timeout=8",
    "Acquire::https::Timeout=8",
    "Acquire::Languages=none",
    "APT::Sandbox::User=",
    "Debug::NoLocking=true",
)


def fetch_through_tfds(folder: Path) -> Path:
    """Download the four files, gzipped, into `folder` with TFDS, which checks their checksums.

    Returns:
        The directory with the files.

    Raises:
        InputError: if that fails, or no byte comes for some seconds.
    """
    _run_watched(
        [sys.executable, "-m", "jaxcnn.data.fashion_mnist.tfds_download", str(folder)], folder, _TFDS_STALL_SECONDS
    )
    return folder


def fetch_debian_package(folder: Path) -> Path:
    """Download Debian's package into `folder` and unpack it there; nothing is installed, and root is not needed.

    Returns:
        The directory with the files.

    Raises:
        InputError: if there is no apt-get, or it cannot get the package.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise InputError("this system has no apt-get and dpkg-deb")
    options = [word for option in _APT_OPTIONS for word in ("-o", option)]
    download = ["apt-get", *options, "download", DEBIAN_PACKAGE]
    try:
        _run_apt(download, folder)
    except InputError:  # most often a system without package lists: make some here
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True)
        options += ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder / 'apt-cache'}"]
        (folder / "apt-cache" / "archives" / "partial").mkdir(parents=True)
        _run_apt(["apt-get", *options, "update"], folder)
        _run_apt(["apt-get", *options, "download", DEBIAN_PACKAGE], folder)
    package = next(folder.glob(f"{DEBIAN_PACKAGE}_*.deb"), None)
    if package is None:
        raise InputError(f"apt-get left no {DEBIAN_PACKAGE} behind")
    _run_apt(["dpkg-deb", "-x", str(package), str(folder / "package")], folder)
    return folder / "package" / DEBIAN_DIRECTORY.relative_to("/")


def _run_apt(command: list[str], folder: Path) -> None:
    _run_watched(command, folder, _APT_STALL_SECONDS, _APT_TOTAL_SECONDS)


def _run_watched(command: list[str], folder: Path, stall_seconds: float, total_seconds: float = math.inf) -> None:
    """Run `command` in `folder`; end it when `folder` has not grown for `stall_seconds`, or after `total_seconds`."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)},
            start_new_session=True,  # a group of its own, so that what it starts ends with it
        )
        try:
            size, began = 0, time.monotonic()
            since = began
            while process.poll() is None:
                time.sleep(0.05)
                grown = _size(folder)
                if grown != size:
                    size, since = grown, time.monotonic()
                elif time.monotonic() - since > stall_seconds:
                    raise InputError(f"no byte came for {stall_seconds:g} seconds")
                if time.monotonic() - began > total_seconds:
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
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except FileNotFoundError:  # moved since it was listed
                total += 1
    return total
