"""Training of the book's experiments with several seeds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from jaxcnn.data import Dataset
from jaxcnn.errors import DivergedError, InputError, InUseError, RunError, StoppedError
from jaxcnn.files import write_file
from jaxcnn.recipes import RECIPES, Recipe, get_recipe
from jaxcnn.reproduction.results import RESULTS_FILE, TABLE_FILE, Results, collect_results, only_writer
from jaxcnn.reproduction.tables import as_markdown, show_reproduction
from jaxcnn.runs import Run, RunConfig, StopSignals, Writer, check_same_config, read_summary, train
from jaxcnn.training import EpochResult
from jaxcnn.words import count_of
from jaxcnn.writers import TerminalWriter, say


def plan(
    names: Sequence[str],
    root: Path,
    *,
    seeds: int = 1,
    num_epochs: int | None = None,
    limit: int | None = None,
    device: str | None = None,
    dtype: str = "float32",
) -> dict[Path, RunConfig]:
    """Plan the runs of the recipes called `names` with the seeds 0 to `seeds` - 1.

    Args:
        names: names of recipes; empty for the book's nine.
        root: directory for all runs. Each run has its own directory, root/NAME/seed-S.
        seeds: number of runs of each recipe.
        num_epochs: number of epochs; None for the book's.
        limit: number of examples to take from the start of each split; None for all.
        device: 'cpu', 'gpu' or 'tpu'; None for the fastest platform of this machine.
        dtype: data type of the computation.

    Returns:
        The settings of each run by its directory. The fastest recipes come first.

    Raises:
        InputError: if a name or a number is invalid, the book has no results for a recipe, a file in `root` cannot be
            read, or the directory of a run has a run with other settings.
    """
    if seeds < 1:
        raise InputError(f"--seeds {seeds}: expected 1 or more")
    configs = {
        root / recipe.name / f"seed-{seed}": RunConfig(recipe, seed=seed, device=device, dtype=dtype, limit=limit)
        for recipe in sorted(_recipes(names, num_epochs), key=_seconds)
        for seed in range(seeds)
    }
    collect_results(root)  # raise for unreadable files before the first step
    for path, config in configs.items():
        if (path / "config.json").exists():
            check_same_config(path, config.as_json())
    return configs


def reproduce(configs: Mapping[Path, RunConfig], dataset: Dataset, root: Path, console: Console) -> Results:
    """Train planned runs and compare them with the book's figures.

    Finished runs are kept, interrupted runs are resumed, and runs locked by another process are skipped. After each
    epoch, reproduction.json and reproduction.md in `root` are updated. They contain all runs below `root`.

    Args:
        configs: the settings of each run by its directory, as `plan` returns them.
        dataset: the data to train and test on.
        root: directory of all runs.
        console: the console to print to.

    Returns:
        The content of reproduction.json, as `collect_results` returns it.

    Raises:
        InputError: if a directory cannot be created.
        DivergedError: if the metrics of a run are not finite. It is raised after all other runs.
        RunError: if a run or the results cannot be written.
        StoppedError: if a signal stopped the runs.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{root} cannot be created ({error.strerror}): give another --output") from error
    watching = [TerminalWriter(console), _ResultsWriter(root)]
    diverged: list[DivergedError] = []
    with StopSignals() as signals:
        for path, config in configs.items():
            summary = read_summary(path)
            if summary.get("status") == "finished" and summary["num_epochs"] == config.recipe.num_epochs:
                continue
            try:
                train(config, dataset, path, writers=watching)
            except InUseError:
                say(console, f"skipped {path}: in use by another process")
            except DivergedError as error:
                diverged.append(error)
                say(console, str(error))
            except StoppedError as error:
                _write(root)
                raise StoppedError(error.signal, "the same command resumes") from error
            if signals.received is not None:  # during the last steps of a run, which then finished
                _write(root)
                raise StoppedError(signals.received, "the same command resumes")
    results = _write(root)
    show_reproduction(results, console)
    if diverged:
        raise DivergedError(f"{len(diverged)} of {count_of(len(configs), 'run')} diverged; the first: {diverged[0]}")
    return results


class _ResultsWriter(Writer):
    """Updates the results after each epoch, when its checkpoint is on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def on_epoch(self, results: Mapping[Run, EpochResult]) -> None:
        """Update the results.

        Raises:
            RunError: if a checkpoint or the results cannot be written.
        """
        try:
            for run in results:
                run.checkpoints.wait()
        except OSError as error:
            raise RunError(f"{error}: the run ends; solve this, and the same command resumes it") from error
        _write(self._root)


def _recipes(names: Sequence[str], num_epochs: int | None) -> list[Recipe]:
    recipes = [get_recipe(name) for name in dict.fromkeys(names or RECIPES)]
    for recipe in recipes:
        if not recipe.reference or recipe.source is not None:
            raise InputError(
                f"{recipe.name}: the book has no results for this recipe; choose another, or use jaxcnn train"
            )
    return [recipe if num_epochs is None else recipe.with_epochs(num_epochs) for recipe in recipes]


def _seconds(recipe: Recipe) -> float:
    return sum(epoch.seconds for epoch in recipe.reference)


def _write(root: Path) -> Results:
    """Write the results of all runs below `root`, including those of other processes."""
    try:
        with only_writer(root):
            results = collect_results(root)
            table = as_markdown(results)
            write_file(root / RESULTS_FILE, json.dumps(results, indent=1) + "\n")
            write_file(root / TABLE_FILE, table)
    except OSError as error:
        raise RunError(
            f"the results cannot be written in {root} ({error.strerror}): the runs are kept; solve this, and the same "
            "command resumes them"
        ) from error
    return results
