"""The directory of a run, and the files in it."""

import fcntl
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import InputError, InUseError, RunError
from jaxcnn.files import write_file
from jaxcnn.platform import is_primary_process
from jaxcnn.runs.records import FORMAT, check_same_config
from jaxcnn.training.state import Variables

_LOGGER = logging.getLogger(__name__)
_HARMLESS = re.compile(r"\..*|lost\+found|.*\.(log|out|err|[oe]\d+)")
"""Names of files that may be in a new directory: hidden files, and logs of the shell and of job schedulers."""


class RunDirectory:
    """The directory of a run.

        config.json    the settings, written first
        metrics.jsonl  a line for each epoch, rewritten after each
        checkpoints/   states, written by Orbax
        summary.json   how the run ended: status, last metrics, versions, device, `params_sha256`

    Each file is complete or absent. The directory is locked until the context is left; config.json is written when it
    is entered. If several processes train a run, the primary one writes, and all of them need access to the directory.

    Args:
        path: the directory: new, empty except for logs and hidden files, or that of a run with the same settings, or
            with fewer epochs at a constant learning rate.
        config: the settings, as config.json holds them.

    Raises:
        InputError: if the directory contains something else, is in use, or cannot be made, read or written.
        RunError: if a file cannot be written, then or later.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self._descriptor = None
        self._new: str | None = None
        self._extended: str | None = None
        if not is_primary_process():
            return
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._descriptor = lock_directory(path)
        except OSError as error:
            raise InputError(
                f"{path} cannot be used as the directory of a run ({error.strerror}): give another --workdir"
            ) from error
        try:
            self._claim(config)
        except BaseException:
            self._unlock()
            raise

    def _claim(self, config: dict[str, Any]) -> None:
        """Check that the directory is new, or has `config`, perhaps with fewer epochs."""
        path, text = self.path, json.dumps({"format": FORMAT, **config}, indent=2) + "\n"
        for place in (path, self.checkpoints):
            if not os.access(place, os.R_OK | os.W_OK | os.X_OK) and (place == path or place.exists()):
                raise InputError(f"{place} cannot be read or written: change its permissions or give another --workdir")
        if (path / "config.json").exists():
            if check_same_config(path, config):
                self._extended = text
        elif not all(_HARMLESS.fullmatch(other.name) for other in path.iterdir()):
            raise InputError(f"{path} contains other files: a run needs its own directory; give another --workdir")
        else:
            self._new = text

    def __enter__(self) -> "RunDirectory":
        self.write_config()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._unlock()

    def _unlock(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    @property
    def checkpoints(self) -> Path:
        """The directory of the checkpoints."""
        return self.path / "checkpoints"

    def write_config(self) -> None:
        """Write config.json, if the directory is new."""
        if self._new is not None:
            self._write("config.json", self._new)

    def extend(self) -> None:
        """Write the settings with more epochs into config.json, if the directory was claimed with them."""
        if self._extended is not None:
            self._write("config.json", self._extended)

    def write_metrics(self, lines: Iterable[dict[str, Any]]) -> None:
        """Write metrics.jsonl, or remove it if there are no lines."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        if text:
            self._write("metrics.jsonl", text)
        elif is_primary_process():
            (self.path / "metrics.jsonl").unlink(missing_ok=True)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json."""
        self._write("summary.json", json.dumps(summary, indent=2) + "\n")

    @property
    def has_summary(self) -> bool:
        """Whether summary.json exists."""
        return (self.path / "summary.json").exists()

    def remove_summary(self) -> None:
        """Remove summary.json, because the run continues."""
        if is_primary_process():
            (self.path / "summary.json").unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        if not is_primary_process():
            return
        try:
            write_file(self.path / name, text)
        except OSError as error:
            raise RunError(
                f"{self.path / name} cannot be written ({error.strerror}): the run ends; solve this, and the same "
                "command with the same directory resumes it from the last checkpoint"
            ) from error


def lock_directory(path: Path, *, wait: bool = False) -> int:
    """Open the directory and lock it if the system can; closing it, or the end of the process, releases the lock.

    Args:
        path: the directory.
        wait: whether to wait while another process has the lock.

    Raises:
        InUseError: if another process has the lock, and `wait` is false.
        OSError: if it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InUseError(
            f"{path} is in use by another process: wait until it ends, or give another --workdir"
        ) from error
    except OSError as error:
        _LOGGER.warning("%s cannot be locked (%s): do not use it in another process", path, error.strerror)
    return descriptor


def params_sha256(variables: Variables) -> str:
    """SHA-256 of parameters and statistics, to compare two runs.

    It covers path, type, shape and bytes of every leaf, in the order of the sorted paths.

    Args:
        variables: {'params', 'batch_stats'}.

    Returns:
        64 hexadecimal digits.

    Examples:
        >>> one, other = ({"params": {"bias": np.full(2, value)}} for value in (0.0, 1.0))
        >>> params_sha256(one) == params_sha256(one), params_sha256(one) == params_sha256(other)
        (True, False)
    """
    digest = hashlib.sha256()
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in jax.tree.leaves_with_path(variables)
    }
    for path in sorted(leaves):
        leaf = leaves[path]
        digest.update(f"{path} {leaf.dtype} {leaf.shape}\n".encode())
        digest.update(leaf.tobytes())
    return digest.hexdigest()
