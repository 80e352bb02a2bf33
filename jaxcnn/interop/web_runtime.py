"""ONNX Runtime for browsers: one pinned release of onnxruntime-web from npm, kept in jaxcnn's cache."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from jaxcnn.errors import InputError
from jaxcnn.files import cache_directory

VERSION = "1.30.0"
ARCHIVE = f"onnxruntime-web-{VERSION}.tgz"
_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
# The smallest build: WebAssembly without WebGPU. With one thread it works on every page, also from file://.
_SCRIPT = "package/dist/ort.wasm.bundle.min.mjs"
_WASM = "package/dist/ort-wasm-simd-threaded.wasm"
_TIMEOUT = 600  # seconds


def load_runtime() -> tuple[bytes, bytes]:
    """The JavaScript module and the WebAssembly program of onnxruntime-web, downloaded by npm if they are not cached.

    Raises:
        InputError: if they are not cached and npm is missing or cannot download them, or if the SHA-256 differs.
    """
    try:
        archive = runtime_archive()
    except FileNotFoundError as error:
        raise InputError(f"{error.strerror}: set XDG_CACHE_HOME to a directory for the web runtime") from error
    try:
        if not archive.exists():
            archive.parent.mkdir(parents=True, exist_ok=True)
            _download(archive)
        _verify(archive, "remove it, so that npm downloads it again")
        with tarfile.open(archive) as files:
            script, wasm = (files.extractfile(name) for name in (_SCRIPT, _WASM))
            assert script is not None and wasm is not None  # noqa: PT018 -- both are files of the verified archive
            return script.read(), wasm.read()
    except OSError as error:
        raise InputError(f"{archive} cannot be used ({error.strerror}): change its permissions") from error


def runtime_archive() -> Path:
    """The path of the archive from npm in the cache."""
    return cache_directory("onnxruntime-web") / ARCHIVE


def _download(archive: Path) -> None:
    remedy = f"put {ARCHIVE} into {archive.parent}"
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(f"the web format needs npm to download onnxruntime-web: install Node.js, or {remedy}")
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        command = [npm, "pack", f"onnxruntime-web@{VERSION}", "--ignore-scripts", "--fetch-retries=1"]
        try:
            ended = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=_TIMEOUT,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise InputError(f"npm did not download onnxruntime-web in {_TIMEOUT} seconds: {remedy}") from error
        found = Path(folder) / ARCHIVE
        if ended.returncode != 0 or not found.exists():
            lines = [line for line in ended.stderr.splitlines() if line.startswith("npm error")]
            reason = lines[0].removeprefix("npm error").strip() if lines else f"exit code {ended.returncode}"
            raise InputError(f"npm cannot download onnxruntime-web ({reason}): check the network, or {remedy}")
        _verify(found, f"check npm's settings, or {remedy}")
        found.replace(archive)


def _verify(archive: Path, remedy: str) -> None:
    with archive.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != _SHA256:
            raise InputError(f"{archive} is not onnxruntime-web {VERSION}, its SHA-256 differs: {remedy}")
