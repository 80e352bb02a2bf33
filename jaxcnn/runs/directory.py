"""The directory of a run, and the files in it."""

import dataclasses
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import InputError, InUseError, RunError
from jaxcnn.runs.hosts import is_first_host
from jaxcnn.training import EpochFigures
from jaxcnn.training.state import Variables

_LOGGER = logging.getLogger(__name__)

FORMAT = 2  # of what a run leaves; a number higher where an older jaxcnn could not go on with it
# 1: config.json holds no network, and of the recipe's settings only those that the command line can change.


_NOT_COMPARED = {"source place"}  # a file may be moved: its contents are compared
_OPTIONS = {
    "num_epochs": "--epochs",
    **{name: f"--{name.replace('_', '-')}" for name in ("batch_size", "learning_rate", "seed", "limit", "dtype")},
}
"""What the user types for an entry of the config; the others are of the recipe, or of JAX."""


class RunDirectory:
    """Where a run leaves what it did.

    config.json    what was asked for, written first
    metrics.jsonl  a line an epoch, written anew as it ends
    checkpoints/   states, by Orbax
    summary.json   how it ended: status, figures, versions, device, `params_sha256`

    A file is written aside and renamed, so each is whole or not there. Until the context is left, no other process can
    have the directory. Where several hosts carry out a run, the first one writes, and the others see the directory.

    Args:
        path: the directory: new, empty, or that of a run with the same config.
        config: what is asked for, as config.json holds it.

    Raises:
        InputError: if there is something else in it, another process has it, or it cannot be made, read or written to.
        RunError: if a file cannot be written, then or later.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self._descriptor = None
        if not is_first_host():
            return
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._descriptor = lock_directory(path)
        except OSError as error:
            raise InputError(
                f"{path} cannot be a run's directory ({error.strerror}): give another --workdir"
            ) from error
        try:
            self._take(config)
        except BaseException:
            self._unlock()
            raise

    def _take(self, config: dict[str, Any]) -> None:
        """Write `config`, or see that it stands there."""
        path = self.path
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise InputError(f"{path} cannot be read or written to: change its permissions or give another --workdir")
        if (path / "config.json").exists():
            check_same_config(path, config)
        elif any(other.name != ".config.json" for other in path.iterdir()):
            raise InputError(
                f"{path} holds other things than a run: a run needs a directory of its own; give another --workdir"
            )
        else:
            self._write("config.json", json.dumps({"format": FORMAT, **config}, indent=2) + "\n")

    def __enter__(self) -> "RunDirectory":
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

    def write_metrics(self, lines: Iterable[dict[str, Any]]) -> None:
        """Write metrics.jsonl, or remove it where there are no lines."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        if text:
            self._write("metrics.jsonl", text)
        elif is_first_host():
            (self.path / "metrics.jsonl").unlink(missing_ok=True)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json."""
        self._write("summary.json", json.dumps(summary, indent=2) + "\n")

    def remove_summary(self) -> None:
        """Remove summary.json: of a run that goes on it would not tell the end."""
        if is_first_host():
            (self.path / "summary.json").unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        if not is_first_host():
            return
        aside = self.path / f".{name}"
        try:
            aside.write_text(text, encoding="utf-8")
            aside.replace(self.path / name)
        except OSError as error:
            raise RunError(
                f"{self.path / name} cannot be written ({error.strerror}): the run ends; when that is mended, "
                "the same command with the same --workdir goes on from the last checkpoint"
            ) from error


def lock_directory(path: Path, *, wait: bool = False) -> int:
    """The directory, open, and locked where the system can do that; closing it ends the lock, as any end does.

    Args:
        path: the directory.
        wait: whether to wait for a process that has locked it.

    Raises:
        InUseError: if another process has locked it, and `wait` is false.
        OSError: if it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InUseError(f"{path} is in use by another process: wait for its end or give another --workdir") from error
    except OSError as error:
        _LOGGER.warning("%s cannot be locked (%s): let no other process use it", path, error.strerror)
    return descriptor


def read_config(path: Path) -> dict[str, Any]:
    """What the config.json of the run in the directory `path` holds.

    Raises:
        InputError: if there is none, or not of a run that this version knows.
    """
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is no run: the directory that jaxcnn train has made is needed") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path / 'config.json'} cannot be read ({error}): give another directory") from error
    if not (isinstance(config, dict) and isinstance(config.get("format"), int)):
        raise InputError(f"{path / 'config.json'} is not that of a run: give another directory")
    if config["format"] > FORMAT:
        raise InputError(
            f"{path} was written by a newer jaxcnn (format {config['format']}, known here: {FORMAT}): "
            "update jaxcnn or give another directory"
        )
    return config


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl of the run in the directory `path`, one for each finished epoch; none without it.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        lines = (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [dataclasses.asdict(EpochFigures(**json.loads(line))) for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path / 'metrics.jsonl'} cannot be read ({error}): give another directory") from error


def read_summary(path: Path) -> dict[str, Any]:
    """What the summary.json of the run in the directory `path` holds; nothing where it has not ended.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        return dict(json.loads((path / "summary.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path / 'summary.json'} cannot be read ({error}): give another directory") from error


def check_same_config(path: Path, config: dict[str, Any]) -> None:
    """See that the run in `path` was asked for with `config`.

    Raises:
        InputError: if it was not, with the differences; or if its config cannot be read.
    """
    found, config = flatten_config(read_config(path)), flatten_config({"format": FORMAT, **config})
    if found["format"] < FORMAT:
        raise InputError(
            f"{path} is of an older jaxcnn (format {found['format']}, now {FORMAT}), which recorded fewer settings: it "
            "can be evaluated, reported on and exported, but not resumed; give another directory"
        )
    keys = [key for key in {**found, **config} if found.get(key) != config.get(key) and key not in _NOT_COMPARED]
    if keys:
        differences = ", ".join(
            f"{_OPTIONS.get(key, key)} {found.get(key)} there and {config.get(key)} here" for key in keys
        )
        raise InputError(
            f"{path} is of another run: {differences}; ask for the same as there or give another directory"
        )


def flatten_config(config: dict[str, Any]) -> dict[str, Any]:
    """`config` with what a mapping in it holds beside the rest, under the names of both.

    Examples:
        >>> flatten_config({"seed": 0, "model": {"norm": {"momentum": 0.9}}})
        {'seed': 0, 'model norm momentum': 0.9}
    """
    flat = {}
    for key, value in config.items():
        inner = flatten_config(value) if isinstance(value, dict) else {}
        flat |= {f"{key} {name}": held for name, held in inner.items()} or {key: value}
    return flat


def params_sha256(variables: Variables) -> str:
    """SHA-256 over parameters and statistics, by which two runs can be compared at a glance.

    Over every leaf, in the order of the sorted paths: path, type, shape and bytes.

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
