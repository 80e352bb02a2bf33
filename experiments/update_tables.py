"""Update the tables of the documents from the JSON files in experiments/results.

python experiments/update_tables.py
"""

import json
import re
import runpy
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxcnn.recipes import ALL_RECIPES, RECIPES, Recipe
from jaxcnn.reproduction import (
    Experiment,
    Results,
    compare,
    detail_rows,
    markdown_table,
    merge_results,
    overview_markdown,
)
from jaxcnn.words import count_of

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
SPEEDRUNS = (
    "speedrun-4-epochs-avx512-2-cores",
    "speedrun-8-epochs-avx512-2-cores",
    "speedrun-avx512-2-cores",
    "speedrun-avx2-2-cores",
)
REPRODUCTIONS = ("reproduction-avx512-2-cores", "reproduction-avx2-2-cores", "reproduction-h200")
OPTAX_ADAM_REPRODUCTIONS = (
    "reproduction-optax-adam-avx512-2-cores",
    "reproduction-optax-adam-h200",
    "reproduction-optax-adam-h200-bfloat16",
)
OPTAX_ADAM_RECIPES = {name: replace(recipe, optimizer="adam") for name, recipe in RECIPES.items()}
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"

Table = Callable[[], str]


def documents() -> dict[Path, dict[str, Table]]:
    """The documents with tables, by path, and the functions that make their tables, by the names of the markers."""
    return {
        ROOT / "README.md": {"results": results_table, "speed": speed_table},
        ROOT / "docs" / "explanation" / "reproduction.md": {
            "reproduction": reproduction_table,
            "metrics": metrics_tables,
        },
        ROOT / "docs" / "explanation" / "speed.md": {
            "vs_pytorch": lambda: as_markdown("benchmarks/vs_pytorch.py")(
                read("vs-pytorch-avx2-2-cores"), read("profile-avx2-2-cores")
            ),
            "streaming": lambda: as_markdown("benchmarks/streaming.py")(read("streaming-avx512-2-cores")),
        },
        ROOT / "docs" / "explanation" / "convolution.md": {
            "convolutions": lambda: operation_tables()[0],
            "pools": lambda: operation_tables()[1],
        },
        ROOT / "docs" / "explanation" / "dating-the-runs.md": {
            "first_step": lambda: as_markdown("adam_first_step.py")(read("adam-first-step-avx512-2-cores")),
            "epsilon": epsilon_table,
            "losses_by_epsilon": losses_by_epsilon_table,
        },
        ROOT / "docs" / "how-to" / "training.md": {"modern_resnet": modern_resnet_table},
        ROOT / "docs" / "explanation" / "speedrun.md": {
            "speedrun": speedrun_table,
            "ensembles": ensembles_table,
            "ablation": lambda: as_markdown("speedrun/ablation_results.py")(read("speedrun-ablation-avx512-2-cores")),
        },
    }


def results_table() -> str:
    """One row for each of the book's experiments: test accuracy of the book, of its runs, and of modern training."""
    results = reproduction()
    found = {experiment.recipe.name: experiment for experiment in compare(results)}
    rows = [("network", "book", "jaxcnn", "seeds", "reproduced", "modern")]
    for experiment in found.values():
        if experiment.is_of_the_book:
            modern = found.get(f"{experiment.recipe.name}_modern")
            rows.append(
                (
                    experiment.recipe.name,
                    _accuracy(experiment.final[-1].reference),
                    _test_accuracy(experiment),
                    str(len(experiment.runs)),
                    experiment.verdict,
                    _test_accuracy(modern) if modern else "",
                )
            )
    counts = {len(experiment.runs) for experiment in found.values() if not experiment.is_of_the_book}
    seeds = " or ".join(map(str, sorted(counts)))
    return f"{markdown_table(rows)}\n{_machines(results)} Modern training: {seeds} seeds.\n"


def speed_table() -> str:
    """The time of a training step on a CPU, next to that of the fastest PyTorch."""
    results = read("vs-pytorch-avx2-2-cores")
    rows = [("a training step, batch 256", "jaxcnn", "fastest PyTorch", "ratio")]
    found = results["comparisons"]
    for key in sorted(found, key=lambda key: list(ALL_RECIPES).index(key.partition("@")[0])):
        ours = found[key]["results"]["jaxcnn"]["step_milliseconds"]
        name, size = key.partition("@")[0], found[key]["image_size"]
        rows.append(
            (f"`{name}`, {size}x{size}", _ms(ours), _ms(ours / found[key]["ratio"]), f"{found[key]['ratio']:.2f}")
        )
    versions = results["versions"]
    return (
        f"{markdown_table(rows)}\n{results['device']}; jax {versions['jax']}, PyTorch {versions['torch']}. "
        f"Geometric mean of the ratios: {results['geometric_mean_ratio']:.2f}.\n"
    )


def reproduction_table() -> str:
    """The overview of the reproduction."""
    results = reproduction()
    return f"{overview_markdown(results)}\n{_machines(results)}\n"


def metrics_tables() -> str:
    """All metrics of the last epoch of each experiment, a table for each file of results."""
    parts = []
    for name in REPRODUCTIONS + OPTAX_ADAM_REPRODUCTIONS:
        run = next(_finished(read(name)))
        title = f"### {run['device']}, {run['dtype']}".replace("cpu, ", "").replace("gpu, ", "")
        title += ", epsilon added after" if name in OPTAX_ADAM_REPRODUCTIONS else ""
        experiments = _of_the_book(read(name), OPTAX_ADAM_RECIPES if name in OPTAX_ADAM_REPRODUCTIONS else ALL_RECIPES)
        link = f"[JSON](../../experiments/results/{name}.json), jax {run['versions']['jax']}."
        parts.append(f"{title}\n\n{link}\n\n{markdown_table(detail_rows(experiments))}")
    return "\n".join(parts)


def modern_resnet_table() -> str:
    """The test accuracy of ResNet with modern training, next to that of the book's recipe."""
    (resnet,) = (experiment for experiment in compare(reproduction()) if experiment.recipe.name == "resnet")
    modern = read("modern-resnet-avx2-2-cores")["resnet_modern"].values()
    found = {
        "`resnet`": resnet.final[-1].measured,
        "`resnet_modern` with these options": [run[-1]["test_accuracy"] for run in modern],
    }
    rows = [("recipe", "seeds", "test accuracy after 5 epochs", "range")]
    for name, values in found.items():
        mean = f"{_accuracy(statistics.fmean(values))} ± {_accuracy(statistics.stdev(values))}"
        limits = f"{_accuracy(min(values))} to {_accuracy(max(values))}"
        rows.append((name, str(len(values)), mean, limits))
    return markdown_table(rows)


def speedrun_table() -> str:
    """The measurements of the speedrun."""
    rows = [("epochs", "time", "compilation", "seeds", "test accuracy, %", "with 10 views, %", "machine", "each seed")]
    for name in SPEEDRUNS:
        results = read(name)
        summary, device = results["summary"], f"{results['device']}, jax {results['versions']['jax']}"
        rows.append(
            (
                str(results["recipe"]["num_epochs"]),
                _seconds(summary["seconds"]),
                _seconds(summary["compile_seconds"]),
                str(summary["seeds"]),
                _percent(summary["accuracy"], summary["accuracy_sd"]),
                _percent(summary["accuracy_tta"], summary["accuracy_tta_sd"]),
                device.replace(" ", NO_BREAK_SPACE),
                f"[JSON](../../experiments/results/{name}.json)",
            )
        )
    return markdown_table(rows)


def ensembles_table() -> str:
    """The accuracies and the time of `fmnist95` by the number of averaged runs.

    With fewer runs than a group has, the time is their share of the time of the group.
    """
    results = read("fmnist95-ensembles-avx512-2-cores")
    groups = results["groups"]
    rows = [("averaged runs", "time", "test accuracy, %", "with 10 views, %")]
    for number in range(1, results["members"] + 1):
        seconds = statistics.median(number / results["members"] * group["seconds"] for group in groups)
        means = [statistics.fmean(group[name][number - 1] for group in groups) for name in ("accuracy", "accuracy_tta")]
        rows.append((str(number), _duration(seconds), *(f"{100 * mean:.2f}" for mean in means)))
    return markdown_table(rows)


def operation_tables() -> tuple[str, str]:
    """The times of the forms of convolutions, and of pools."""
    return as_markdown("benchmarks/operations.py")(read("operations-avx512-2-cores"))


def epsilon_table() -> str:
    """The final training loss and accuracy with both places of Adam's epsilon, next to the book's."""
    rows = [("experiment", "metric", "the book", "epsilon added before", "epsilon added after")]
    for before, after in zip(*_by_epsilon(), strict=True):
        for ours, theirs in zip(before.final[:2], after.final[:2], strict=True):
            digits = 4 if ours.metric == "train_loss" else 3
            cells = [f"{each.mean:.{digits}f} ({len(each.measured)} x)" for each in (ours, theirs)]
            metric = ours.metric.replace("train_", "training ")
            rows.append((f"`{before.recipe.name}`", metric, f"{ours.reference:.{digits}f}", *cells))
    return markdown_table(rows)


def losses_by_epsilon_table() -> str:
    """The training loss by epoch of the networks without batch norm, with both places of Adam's epsilon.

    Each run of a network with a plateau has a row, because its length depends on the seed; others have their mean.
    """
    rows = [("training loss", *(f"epoch {number}" for number in range(1, 6)))]
    for before, after in zip(*_by_epsilon(), strict=True):
        name, reference = before.recipe.name, before.recipe.reference
        if name in ("alexnet", "vgg", "nin", "googlenet"):
            rows.append((f"`{name}`, the book", *(f"{epoch.loss:.4f}" for epoch in reference)))
            for about, each in (("before", before), ("after", after)):
                losses = {f"seed {run['seed']}": [epoch["train_loss"] for epoch in run["epochs"]] for run in each.runs}
                if not any(epoch.on_plateau for epoch in reference):
                    means = map(statistics.fmean, zip(*losses.values(), strict=True))
                    losses = {count_of(len(losses), "seed"): list(means)}
                for seeds, values in losses.items():
                    cells = (f"{loss:.4f}" for loss in values)
                    rows.append((f"`{name}`, epsilon added {about}, {seeds}", *cells))
    return markdown_table(rows)


def _by_epsilon() -> tuple[list[Experiment], list[Experiment]]:
    """The book's experiments with epsilon added before and after the correction of the bias."""
    after = merge_results(map(read, OPTAX_ADAM_REPRODUCTIONS[:2]))
    return _of_the_book(reproduction(), ALL_RECIPES), _of_the_book(after, OPTAX_ADAM_RECIPES)


def _of_the_book(results: Results, recipes: Mapping[str, Recipe]) -> list[Experiment]:
    return [experiment for experiment in compare(results, recipes) if experiment.is_of_the_book]


def as_markdown(script: str) -> Callable[..., Any]:
    """The function of a script in experiments/ that makes a Markdown table from its results."""
    return runpy.run_path(str(ROOT / "experiments" / script))["as_markdown"]


def reproduction() -> Results:
    """The runs of the recipes, for each recipe from the platform with most of them."""
    return merge_results(map(read, REPRODUCTIONS))


def read(name: str) -> dict[str, Any]:
    """Read the results in the JSON file called `name`."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def update(path: Path, tables: dict[str, Table]) -> str:
    """The content of the document in `path` with its tables renewed."""
    text = path.read_text(encoding="utf-8")
    for name, make in tables.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        table = make()
        text, count = re.subn(
            f"{begin}\n.*?{end}", lambda _, new=f"{begin}\n{table}\n{end}": new, text, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"{path} has the markers {begin} and {end} {count} times: expected once")
    return text


def _finished(results: Results) -> Iterator[dict[str, Any]]:
    return (run for run in results["runs"] if run["status"] == "finished")


def _machines(results: Results) -> str:
    """A sentence with the machine of most runs, then the other machines with their recipes."""
    finished = list(_finished(results))
    of_recipe = Counter(run["recipe"] for run in finished)
    of_machine: dict[str, Counter[str]] = {}
    for run in finished:
        machine = f"{run['device']} (jax {run['versions']['jax']})"
        of_machine.setdefault(machine, Counter())[run["recipe"]] += 1
    first, *others = sorted(of_machine, key=lambda machine: of_machine[machine].total(), reverse=True)
    parts = [f"Machine: {first}"]
    for machine in others:
        runs = of_machine[machine].items()
        names = (name if num == of_recipe[name] else f"{count_of(num, 'run')} of {name}" for name, num in runs)
        parts.append(f"{', '.join(names)}: {machine}")
    return "; ".join(parts) + "."


def _test_accuracy(experiment: Experiment) -> str:
    test = experiment.final[-1]
    deviation = f" ± {_accuracy(test.deviation)}" if len(test.measured) > 1 else ""
    return f"{_accuracy(test.mean)}{deviation}".replace(" ", NO_BREAK_SPACE)


def _accuracy(value: float) -> str:
    return f"{value:.3f}".lstrip("0")


def _percent(mean: float, deviation: float) -> str:
    return f"{100 * mean:.2f} ± {100 * deviation:.2f}".replace(" ", NO_BREAK_SPACE)


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f}{NO_BREAK_SPACE}s"


def _duration(seconds: float) -> str:
    text = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return text.replace(" ", NO_BREAK_SPACE)


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds >= 100 else f"{milliseconds:.1f} ms"


if __name__ == "__main__":
    for document, tables in documents().items():
        document.write_text(update(document, tables), encoding="utf-8")
