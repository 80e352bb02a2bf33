"""Metrics of each chunk and epoch as JSON lines."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jaxcnn.files import write_file
from jaxcnn.runs import Run, Setup, Writer
from jaxcnn.training import ChunkResult, EpochResult


class JsonLinesWriter(Writer):
    """Appends a line to log.jsonl in the directory of each run, after each chunk and each epoch.

    A line of a chunk has `step`, `epoch`, `images_per_second` and the means over the chunk, such as `loss` and
    `gradient_norm`, and `learning_rate`. A line of an epoch has `step` and all that metrics.jsonl has. Lines of steps
    that a resumed run takes again are removed.
    """

    def on_start(self, runs: Sequence[Run], setup: Setup) -> None:  # noqa: ARG002
        """Remove lines of later steps."""
        for run in runs:
            path = run.path / "log.jsonl"
            if path.exists():
                lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
                write_file(path, "".join(line for line in lines if _step(line) <= run.step))

    def on_chunk(self, results: Mapping[Run, ChunkResult]) -> None:
        """Append a line for each run."""
        for run, result in results.items():
            means = {name: float(mean) for name, mean in result.metrics.items()}
            step = (result.epoch - 1) * result.steps + result.steps_done
            _append(run, {"step": step, "epoch": result.epoch, **means, "images_per_second": result.images_per_second})

    def on_epoch(self, results: Mapping[Run, EpochResult]) -> None:
        """Append a line for each run."""
        for run, result in results.items():
            _append(run, {"step": run.step, **result.as_json()})


def _append(run: Run, record: dict[str, Any]) -> None:
    with (run.path / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def _step(line: str) -> float:
    """The step of a line; infinity for one that was not written completely."""
    try:
        return float(json.loads(line)["step"])
    except ValueError:
        return float("inf")
