"""The results of a reproduction: collecting them from the directories of runs, and reading reproduction.json."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
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
    """Merge results of several machines. The runs of a recipe are those of the platform with most finished runs of it.

    A platform is 'cpu', 'gpu' or 'tpu', the first word of `device`. Its machines share the seeds: if several of them
    ran the same seed, one run is used, the first finished one.

    Args:
        results: the results of each machine.

    Returns:
        `runs`, in the order of the recipes in the results. If two platforms have equally many runs, the
        first one is used.
    """
    merged: dict[str, dict[str, dict[int, dict[str, Any]]]] = {}
    for run in (run for machine in results for run in machine["runs"]):
        platform = run.get("device", "").partition(",")[0]
        by_seed = merged.setdefault(run["recipe"], {}).setdefault(platform, {})
        if run["seed"] not in by_seed or (_is_finished(run) and not _is_finished(by_seed[run["seed"]])):
            by_seed[run["seed"]] = run
    platforms = (max(by_platform.values(), key=_num_finished) for by_platform in merged.values())
    return {"runs": [run for by_seed in platforms for _, run in sorted(by_seed.items())]}


def _num_finished(by_seed: Mapping[int, Mapping[str, Any]]) -> int:
    return sum(map(_is_finished, by_seed.values()))


def _is_finished(run: Mapping[str, Any]) -> bool:
    return run.get("status") == "finished"


@contextmanager
def only_writer(root: Path) -> Iterator[None]:
    """Hold the write lock of the results in `root`. Wait while another process holds it."""
    descriptor = lock_directory(root, wait=True)
    try:
        yield
    finally:
        os.close(descriptor)
