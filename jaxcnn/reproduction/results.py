"""The results of a reproduction: collecting them from the directories of runs, and reading reproduction.json."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxcnn.errors import InputError
from jaxcnn.recipes import ALL_RECIPES
from jaxcnn.runs import lock_directory, read_config, read_metrics, read_summary
from jaxcnn.training import EpochResult

RESULTS_FILE = "reproduction.json"
"""The name of the file with the results, in the directory of a reproduction."""
TABLE_FILE = "reproduction.md"

Results = Mapping[str, Any]
"""The content of reproduction.json: `runs`, a list with one entry for each run."""

_KINDS = {"recipe": str, "seed": int, "limit": int | None, "epochs": list}
_KINDS_OF_ENDING = {"status": str, "device": str, "versions": dict}
_OF_SUMMARY = ("status", "compile_seconds", "params_sha256", "device", "versions")


def collect_results(root: Path) -> Results:
    """Collect the results of all runs below `root`, finished or not, in the order of recipes and seeds.

    Args:
        root: directory of the runs. The run of each recipe and seed is in NAME/seed-S.

    Returns:
        `runs`, a list with one mapping for each run: its config; `status`, which is 'finished', 'diverged',
        'interrupted', or 'unfinished' for a run that is in progress or was killed; `seconds`; and `epochs`, the metrics
        of each finished epoch. Runs that have ended also have `compile_seconds`, `params_sha256`, `device` and
        `versions`.

    Raises:
        InputError: if a file of a run cannot be read.
    """
    order = list(ALL_RECIPES)
    paths = [config.parent for config in root.glob("*/seed-*/config.json")]
    runs = [_run(path) for path in sorted(paths)]
    known = [run for run in runs if run["recipe"] in ALL_RECIPES]
    return {"runs": sorted(known, key=lambda run: (order.index(run["recipe"]), run["seed"]))}


def _run(path: Path) -> dict[str, Any]:
    config, summary, epochs = read_config(path), read_summary(path), read_metrics(path)
    ending = {key: summary[key] for key in _OF_SUMMARY if key in summary}
    run = {**config, "status": "unfinished", **ending, "epochs": epochs}
    try:
        _check_run(run)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a run of jaxcnn reproduce ({error}): move it elsewhere, or give another --output"
        ) from error
    del run["format"]
    return run | {"seconds": sum(epoch["seconds"] for epoch in epochs)}


def _check_run(run: Any) -> None:
    """Check that a run has the entries that tables and pages need; raise KeyError or TypeError if it does not."""
    for name, kind in _KINDS.items():
        if not isinstance(run[name], kind):
            raise TypeError(f"{name} is {run[name]!r}")
    for name, kind in _KINDS_OF_ENDING.items():
        if name in run and not isinstance(run[name], kind):
            raise TypeError(f"{name} is {run[name]!r}")
    for epoch in run["epochs"]:
        EpochResult.from_json(epoch)


def read_results(path: Path) -> Results:
    """Read the results in `path`, a reproduction.json or its directory.

    Raises:
        InputError: if the file cannot be read, or does not contain results.
    """
    file = path / RESULTS_FILE if path.is_dir() else path
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file} cannot be read ({error}): give the directory of jaxcnn reproduce, or its reproduction.json"
        ) from error
    try:
        for run in results["runs"]:
            _check_run(run)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{file} does not contain runs with epochs ({error}): give the directory of jaxcnn reproduce, or its "
            "reproduction.json"
        ) from error
    return results


def merge_results(results: Iterable[Results]) -> Results:
    """Merge results of several machines. The runs of a recipe are those of the machine with most finished runs of it.

    Args:
        results: the results of each machine.

    Returns:
        `runs`, in the order of the recipes in the results. With equally many runs, the earlier results are used.
    """
    merged: dict[str, list[dict[str, Any]]] = {}
    for machine in results:
        by_recipe: dict[str, list[dict[str, Any]]] = {}
        for run in machine["runs"]:
            by_recipe.setdefault(run["recipe"], []).append(run)
        for name, runs in by_recipe.items():
            if name not in merged or _num_finished(runs) > _num_finished(merged[name]):
                merged[name] = runs
    return {"runs": [run for runs in merged.values() for run in runs]}


def _num_finished(runs: Sequence[Mapping[str, Any]]) -> int:
    return sum(run.get("status") == "finished" for run in runs)


@contextmanager
def only_writer(root: Path) -> Iterator[None]:
    """Hold the write lock of the results in `root`. Wait while another process holds it."""
    descriptor = lock_directory(root, wait=True)
    try:
        yield
    finally:
        os.close(descriptor)
