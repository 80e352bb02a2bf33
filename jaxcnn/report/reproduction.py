"""The page of a reproduction: the overview, then for each experiment the book's curves and the range of the seeds."""

from pathlib import Path
from typing import Any

from jaxcnn.errors import InputError
from jaxcnn.recipes import HOW_THE_RUNS_WERE_MADE, SOURCE
from jaxcnn.report import figures
from jaxcnn.report.curves import describe_curve
from jaxcnn.report.rendering import embed_figure, write_page
from jaxcnn.report.tables import HtmlTable
from jaxcnn.reproduction import (
    CRITERION,
    RESULTS_FILE,
    Experiment,
    compare,
    detail_rows,
    notes,
    overview_rows,
    read_results,
)
from jaxcnn.training import EpochResult


def write_reproduction_report(path: Path, out: Path | None = None) -> Path:
    """Write one HTML page about a reproduction. The page has no scripts and works offline.

    Args:
        path: the directory of `jaxcnn reproduce`, or a reproduction.json.
        out: the HTML file; unless given, report.html in the directory, or the name of the JSON with .html.

    Returns:
        The file.

    Raises:
        InputError: if the results cannot be read, no experiment of the book has a finished epoch, or the page cannot be
            written.
    """
    results = read_results(path)
    out = out or (path / "report.html" if path.is_dir() else path.with_suffix(".html"))
    if out.absolute() == (path / RESULTS_FILE if path.is_dir() else path).absolute():
        raise InputError(f"{out} holds the results: give another --output for the page")
    experiments = [experiment for experiment in compare(results) if experiment.runs and experiment.is_of_the_book]
    groups = [_group(experiment) for experiment in experiments]
    if not groups:
        raise InputError(f"{path} has no finished epoch of the book's experiments: run jaxcnn reproduce first")
    content = {
        "source": SOURCE, "how": HOW_THE_RUNS_WERE_MADE, "criterion": CRITERION,
        "overview": HtmlTable("The book's figures and those of the runs", overview_rows(results), num_words=3),
        "links": {group["recipe"].name: f"#{group['recipe'].name}" for group in groups},
        "notes": notes(results), "groups": groups,
    }  # fmt: skip
    return write_page("reproduction.html", content, out)


def _group(experiment: Experiment) -> dict[str, Any]:
    """The content for an experiment."""
    recipe = experiment.recipe
    runs = [[EpochResult.from_json(epoch) for epoch in run["epochs"]] for run in experiment.runs]
    solid = "one run" if len(runs) == 1 else f"the mean of {len(runs)} runs, with the range from minimum to maximum"
    words = f"Solid: {solid}; dashed, open marks: the book."
    seeds = max(run["seed"] for run in experiment.runs) + 1
    made = experiment.runs[0]
    return {
        "recipe": recipe,
        "metrics": HtmlTable("Metrics of the last epoch", [row[1:] for row in detail_rows([experiment])]),
        "figures": [
            embed_figure(
                f"{metric.capitalize()} by epoch",
                figures.draw_curves(recipe, runs, metric=metric),
                words,
                describe_curve(runs, metric),
            )
            for metric in ("loss", "accuracy")
        ],
        "seeds": ", ".join(str(run["seed"]) for run in experiment.runs),
        "made": ", ".join([made["device"], *(f"{name} {version}" for name, version in made["versions"].items())])
        if "device" in made and "versions" in made
        else "",
        "command": f"jaxcnn reproduce {recipe.name} --seeds {seeds}{_options(experiment)}",
    }


def _options(experiment: Experiment) -> str:
    """The options of the runs of an experiment that are not the defaults."""
    made = experiment.runs[0]
    usual = {"num_epochs": experiment.recipe.num_epochs, "limit": None, "dtype": "float32"}
    names = {"num_epochs": "--epochs", "limit": "--limit", "dtype": "--dtype"}
    changed = [f" {names[name]} {made[name]}" for name, value in usual.items() if made.get(name, value) != value]
    return "".join(changed)
