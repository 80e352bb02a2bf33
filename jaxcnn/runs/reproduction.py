"""The documented experiments carried out, with several seeds each, and held against their figures."""

import dataclasses
import json
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from jaxcnn.data import Dataset
from jaxcnn.errors import InputError
from jaxcnn.recipes import RECIPES, Recipe, get_recipe
from jaxcnn.runs.config import RunConfig
from jaxcnn.runs.directory import read_summary
from jaxcnn.runs.training import train

FILE = "reproduction.json"
TABLE_FILE = "reproduction.md"
_FIGURES = {"train_loss": "loss", "train_accuracy": "train_accuracy", "test_accuracy": "test_accuracy"}
_HEADINGS = ("network", "runs", "loss", "train acc", "test acc", "seconds")


@dataclass(frozen=True)
class Comparison:
    """A documented figure and what runs of several seeds gave.

    The band around the documented figure is the larger of three standard deviations of the runs and of .01 for an
    accuracy, 5 % for a loss.

    Attributes:
        figure: 'train_loss', 'train_accuracy' or 'test_accuracy'.
        documented: the documented figure.
        measured: that of each run.

    Examples:
        >>> Comparison("test_accuracy", 0.76, (0.755, 0.765)).is_inside
        True
        >>> Comparison("train_loss", 0.60, (0.65,)).is_inside
        False
    """

    figure: str
    documented: float
    measured: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the runs."""
        return statistics.fmean(self.measured)

    @property
    def deviation(self) -> float:
        """Standard deviation of the runs, from n - 1; 0 of a single one."""
        return statistics.stdev(self.measured) if len(self.measured) > 1 else 0.0

    @property
    def band(self) -> float:
        """How far the mean may be from the documented figure."""
        least = 0.05 * self.documented if self.figure == "train_loss" else 0.01
        return max(3 * self.deviation, least)

    @property
    def is_inside(self) -> bool:
        """Whether the mean is within the band."""
        return math.isfinite(self.mean) and abs(self.mean - self.documented) <= self.band

    def against_band(self) -> str:
        """Whether the mean is within the band, in short: documented / mean ±band in or OUT."""
        digits = 4 if self.figure == "train_loss" else 3
        side = "in" if self.is_inside else "OUT"
        return f"{self.documented:.{digits}f} / {self.mean:.{digits}f} ±{self.band:.{digits}f} {side}"

    def against_documented(self) -> str:
        """Whether the mean is more than what is documented, in short: documented / mean ±deviation above or BELOW."""
        side = "above" if self.mean > self.documented else "BELOW"
        return f"{self.documented:.3f} / {self.mean:.3f} ±{self.deviation:.3f} {side}"


def reproduce(
    names: Sequence[str],
    dataset: Dataset,
    out: Path,
    console: Console,
    *,
    seeds: int = 1,
    num_epochs: int | None = None,
    limit: int | None = None,
    device: str | None = None,
    dtype: str = "float32",
) -> dict[str, Any]:
    """Carry out the experiments called `names` with the seeds 0 .. `seeds` - 1, and show them beside the documented.

    Each run has a directory of its own, out/NAME/seed-S; one that is finished is taken as it stands, one that was cut
    off goes on. After each run out/reproduction.json is written with all that are finished so far, and the table of
    them as out/reproduction.md.

    Args:
        names: of the recipes; empty for the nine documented ones.
        dataset: what to train and test on.
        out: directory for the runs.
        console: where to show them.
        seeds: how many runs each.
        num_epochs: epochs to train; as documented unless given.
        limit: use the first so many images of each split alone.
        device: cpu, gpu or tpu; the best one there is unless given.
        dtype: type of the computation.

    Returns:
        What reproduction.json holds: `device`, `versions`, and `runs` with their settings, epochs and times.

    Raises:
        InputError: if a name or a number cannot be used, or a recipe has no documented figures.
        RunError: if a run cannot go on.
    """
    if seeds < 1:
        raise InputError(f"{seeds} seeds: at least 1 is needed")
    configs = [
        RunConfig(_with_epochs(get_recipe(name), num_epochs), seed=seed, device=device, dtype=dtype, limit=limit)
        for name in (names or RECIPES)
        for seed in range(seeds)
    ]
    for config in configs:
        if not config.recipe.documented:
            raise InputError(f"{config.recipe.name} has no documented figures: train it with jaxcnn train")
    results: dict[str, Any] = {"device": "", "versions": {}, "runs": []}
    for config in configs:
        workdir = out / config.recipe.name / f"seed-{config.seed}"
        summary = _finished(workdir, config)
        if summary is None:
            train(config, dataset, workdir, console)
            summary = read_summary(workdir)
        results |= {"device": summary["device"], "versions": summary["versions"]}
        lines = (workdir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        kept = ("seconds", "compile_seconds", "params_sha256")
        results["runs"].append(
            {**config.as_json(), **{key: summary[key] for key in kept}, "epochs": list(map(json.loads, lines))}
        )
        _write(out / FILE, json.dumps(results, indent=1) + "\n")
        _write(out / TABLE_FILE, as_markdown(results))
    show_reproduction(results, console)
    return results


def compare(results: dict[str, Any]) -> Iterator[tuple[Recipe, int, list[dict[str, Any]], list[Comparison]]]:
    """For each recipe in `results`: epochs compared, its runs, and the figures of the last of these epochs."""
    for name in dict.fromkeys(run["recipe"] for run in results["runs"]):
        recipe = get_recipe(name)
        group = [run for run in results["runs"] if run["recipe"] == name]
        epochs = min(len(recipe.documented), *(len(run["epochs"]) for run in group))
        last = [run["epochs"][epochs - 1] for run in group]
        documented = recipe.documented[epochs - 1]
        comparisons = [
            Comparison(figure, getattr(documented, field), tuple(epoch[figure] for epoch in last))
            for figure, field in _FIGURES.items()
        ]
        yield recipe, epochs, group, comparisons


def as_rows(results: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table's rows, a heading first: documented / mean of the runs, ± band, and whether the mean is in it.

    Of a network that was trained in another way than documented the test accuracy alone is compared: documented / mean,
    ± standard deviation, and whether the mean is above.
    """
    rows: list[tuple[str, ...]] = [_HEADINGS]
    for recipe, epochs, group, comparisons in compare(results):
        told = sum(epoch.seconds for epoch in recipe.documented[:epochs])
        taken = statistics.fmean(sum(epoch["seconds"] for epoch in run["epochs"][:epochs]) for run in group)
        of_epochs = f"{len(group)} x {epochs} epochs"
        if recipe.is_documented:
            figures = [comparison.against_band() for comparison in comparisons]
        else:
            figures = ["-", "-", comparisons[-1].against_documented()]
        rows.append((recipe.name, of_epochs, *figures, f"{told:.0f} / {taken:.0f}"))
    return rows


def as_markdown(results: dict[str, Any]) -> str:
    """The table in Markdown, and the notes below it."""
    heading, *rows = as_rows(results)
    lines = [" | ".join(cells) for cells in (heading, ["---"] * len(heading), *rows)]
    notes = "".join(f"- {note}\n" for note in as_notes(results))
    return "".join(f"| {line} |\n" for line in lines) + (f"\n{notes}" if notes else "")


def as_notes(results: dict[str, Any]) -> list[str]:
    """A line for each network with a figure out of its band, or with fewer epochs than documented: what, and why."""
    notes = []
    for recipe, epochs, group, comparisons in compare(results):
        if epochs < len(recipe.documented):
            notes.append(f"{recipe.name}: {epochs} of the {len(recipe.documented)} documented epochs were trained")
        if any(run["limit"] is not None for run in group):
            notes.append(f"{recipe.name}: trained on {group[0]['limit']} images, not on all")
        outside = [c for c in comparisons if recipe.is_documented and not c.is_inside]
        if outside:
            figures = ", ".join(f"{c.figure.replace('_', ' ')} {c.mean - c.documented:+.4f}" for c in outside)
            because = f": {recipe.caveat}" if recipe.caveat else ""
            notes.append(f"{recipe.name} is not reproduced in {figures}{because}")
    return notes


def show_reproduction(results: dict[str, Any], console: Console) -> None:
    """The table and the notes, on a terminal."""
    heading, *rows = as_rows(results)
    title = f"documented / mean over seeds ± band, modern ± deviation ({results['device']})"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in (heading[0], *heading[2:]):
        table.add_column(name, overflow="fold")
    for name, of_epochs, *cells in rows:
        table.add_row(f"{name}\n{of_epochs}", *(cell.replace(" ±", "\n±") for cell in cells))
    console.print(table)
    for note in as_notes(results):
        console.print(note, highlight=False, soft_wrap=True)


def _with_epochs(recipe: Recipe, num_epochs: int | None) -> Recipe:
    return recipe if num_epochs is None else dataclasses.replace(recipe, num_epochs=num_epochs)


def _write(path: Path, content: str) -> None:
    """All of it or nothing."""
    aside = path.with_name(f".{path.name}")
    aside.write_text(content, encoding="utf-8")
    aside.replace(path)


def _finished(workdir: Path, config: RunConfig) -> dict[str, Any] | None:
    """The summary in `workdir`, if a run of the same config is finished there."""
    summary = read_summary(workdir)
    same = all(summary.get(key) == value for key, value in config.as_json().items())
    return summary if same and summary["status"] == "finished" else None
