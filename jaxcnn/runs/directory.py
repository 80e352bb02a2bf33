"""The directory of a run, and the files in it."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxcnn.errors import InputError
from jaxcnn.training.state import Variables


class RunDirectory:
    """Where a run leaves what it did.

    config.json    what was asked for, written first
    metrics.jsonl  a line an epoch, added as it ends
    checkpoints/   states, by Orbax
    summary.json   how it ended: status, figures, versions, device, `params_sha256`

    A file is written aside and renamed, so each is whole or not there; a line of metrics.jsonl is flushed at once.

    Args:
        path: the directory; it must be new or empty.

    Raises:
        InputError: if there is something in it, or it cannot be made or written to.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise InputError(f"{path} is not empty: a run needs a directory of its own; give another --workdir")
        except OSError as error:
            raise InputError(
                f"{path} cannot be a run's directory ({error.strerror}): give another --workdir"
            ) from error
        if not os.access(path, os.W_OK | os.X_OK):
            raise InputError(f"{path} cannot be written to: change its permissions or give another --workdir")
        self.path = path

    @property
    def checkpoints(self) -> Path:
        """The directory of the checkpoints."""
        return self.path / "checkpoints"

    def write_config(self, config: dict[str, Any]) -> None:
        """Write config.json."""
        self._write("config.json", config)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write summary.json."""
        self._write("summary.json", summary)

    def add_metrics(self, line: dict[str, Any]) -> None:
        """Add a line to metrics.jsonl."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _write(self, name: str, content: dict[str, Any]) -> None:
        aside = self.path / f".{name}"
        aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        aside.replace(self.path / name)


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
