"""The directory of a run, and the files in it."""

import fcntl
import hashlib
import json
import logging
import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import InputError, InUseError, RunError, list_differences
from jaxcnn.files import write_file
from jaxcnn.platform import is_primary_process
from jaxcnn.training import EpochResult
from jaxcnn.training.state import Variables

_LOGGER = logging.getLogger(__name__)

FORMAT = 2
"""Format of a run directory; it increases when an older jaxcnn could not resume the run.

1: config.json holds no network, and only the settings of the recipe that the command line can change.
"""

_CLASSES = "data class_names"
_NOT_COMPARED = {"source place"}  # a file can be moved; its content is compared
_OPTIONS = {
    "num_epochs": "--epochs",
    **{name: f"--{name.replace('_', '-')}" for name in ("batch_size", "learning_rate", "seed", "limit", "dtype")},
}
"""The option for an entry of the settings; the others belong to the recipe, or to JAX."""


class RunDirectory:
    """The directory of a run.

    config.json    the settings, written first
    metrics.jsonl  a line for each epoch, rewritten after each
    checkpoints/   states, written by Orbax
    summary.json   how the run ended: status, last metrics, versions, device, `params_sha256`

    Each file is complete or absent. The directory is locked until the context is left. If several processes train a
    run, the primary one writes, and all of them need access to the directory.

    Args:
        path: the directory: new, empty, or that of a run with the same settings.
        config: the settings, as config.json holds them.

    Raises:
        InputError: if the directory contains something else, is in use, or cannot be made, read or written.
        RunError: if a file cannot be written, then or later.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self._descriptor = None
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
        """Write `config`, or check that it is there."""
        path = self.path
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise InputError(f"{path} cannot be read or written: change its permissions or give another --workdir")
        if (path / "config.json").exists():
            check_same_config(path, config)
        elif any(other.name != ".config.json" for other in path.iterdir()):
            raise InputError(f"{path} contains other files: a run needs its own directory; give another --workdir")
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
        """Write metrics.jsonl, or remove it if there are no lines."""
        text = "".join(json.dumps(line) + "\n" for line in lines)
        if text:
            self._write("metrics.jsonl", text)
        elif is_primary_process():
            (self.path / "metrics.jsonl").unlink(missing_ok=True)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json."""
        self._write("summary.json", json.dumps(summary, indent=2) + "\n")

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
                "command resumes it from the last checkpoint"
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


def read_config(path: Path) -> dict[str, Any]:
    """The settings in the config.json of the run in `path`.

    Raises:
        InputError: if there is none, or it is not the config of a run, or one of a newer version.
    """
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is not a run: give a directory that jaxcnn train has made") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path / 'config.json'} cannot be read ({error}): give another directory") from error
    if not (isinstance(config, dict) and isinstance(config.get("format"), int)):
        raise InputError(f"{path / 'config.json'} does not describe a run: give another directory")
    if config["format"] > FORMAT:
        raise InputError(
            f"{path} was written by a newer jaxcnn (format {config['format']}, here {FORMAT}): "
            "update jaxcnn or give another directory"
        )
    return config


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines in the metrics.jsonl of the run in `path`, one for each finished epoch; none without the file.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        lines = (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [EpochResult.from_json(json.loads(line)).as_json() for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise InputError(f"{path / 'metrics.jsonl'} cannot be read ({error}): give another directory") from error


def read_summary(path: Path) -> dict[str, Any]:
    """The content of the summary.json of the run in `path`; empty if the run has not ended.

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
    """Check that the run in `path` has the settings `config`.

    Raises:
        InputError: if it has others, with the differences; or if its settings cannot be read.
    """
    found, config = flatten_config(read_config(path)), flatten_config({"format": FORMAT, **config})
    if isinstance(found.get(_CLASSES), list):  # older runs hold names as their folders have them
        found[_CLASSES] = [unicodedata.normalize("NFC", str(name)) for name in found[_CLASSES]]
    if found["format"] < FORMAT:
        raise InputError(
            f"{path} was written by an older jaxcnn (format {found['format']}, here {FORMAT}), which recorded fewer "
            "settings: it can be evaluated, reported on and exported, but not resumed; give another directory"
        )
    keys = [key for key in {**found, **config} if found.get(key) != config.get(key) and key not in _NOT_COMPARED]
    if keys:
        differences = ", ".join(_describe_difference(key, found.get(key), config.get(key)) for key in keys)
        raise InputError(
            f"{path} has a run with other settings: {differences}; give the same settings or another directory"
        )


def _describe_difference(key: str, there: Any, here: Any) -> str:
    if key == _CLASSES and isinstance(there, list) and isinstance(here, list):
        return f"classes ({list_differences({'the run': there, 'the data': here}) or 'in another order'})"
    return f"{_OPTIONS.get(key, key)} {there} there and {here} here"


def flatten_config(config: dict[str, Any]) -> dict[str, Any]:
    """`config` without nesting: the entries of an inner mapping have both names, separated by a space.

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
