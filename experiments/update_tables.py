"""Update the tables of the documents from the JSON files in experiments/results.

python experiments/update_tables.py
"""

import json
import re
import runpy
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jaxcnn.recipes import ALL_RECIPES
from jaxcnn.reproduction import (
    Experiment,
    Results,
    compare,
    detail_rows,
    markdown_table,
    merge_results,
    overview_markdown,
)

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
SPEEDRUNS = (
    "speedrun-4-epochs-avx512-2-cores",
    "speedrun-8-epochs-avx512-2-cores",
    "speedrun-avx512-2-cores",
    "speedrun-avx2-2-cores",
)
REPRODUCTIONS = ("reproduction-avx512-2-cores", "reproduction-h200")
OTHER_REPRODUCTIONS = ("reproduction-h200-bfloat16",)
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
    results = all_runs()
    found = {experiment.recipe.name: experiment for experiment in compare(results)}
    rows = [("network", "book", "jaxcnn", "seeds", "reproduced", "modern", "time", "machine")]
    for experiment in found.values():
        if experiment.is_of_the_book:
            modern = found.get(f"{experiment.recipe.name}_modern")
            seconds = [sum(epoch["seconds"] for epoch in run["epochs"]) for run in experiment.runs]
            rows.append(
                (
                    experiment.recipe.name,
                    _accuracy(experiment.final[-1].reference),
                    _test_accuracy(experiment),
                    str(len(experiment.runs)),
                    experiment.verdict,
                    _test_accuracy(modern) if modern else "",
                    _duration(min(seconds)),  # the others were slowed down more by other programs
                    "GPU" if experiment.runs[0]["device"].startswith("gpu") else "CPU",
                )
            )
    machines = dict.fromkeys(f"{run['device']} (jax {run['versions']['jax']})" for run in _finished(results))
    counts = {len(experiment.runs) for experiment in found.values() if not experiment.is_of_the_book}
    seeds = " or ".join(map(str, sorted(counts)))
    return f"{markdown_table(rows)}\nMachines: {'; '.join(machines)}. Modern training: {seeds} seeds.\n"


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
    """The overview of the reproduction. The runs of a recipe are from the machine with most finished runs of it."""
    results = all_runs()
    devices: dict[str, list[str]] = {}
    for run in _finished(results):
        if run["recipe"] not in devices.setdefault(run["device"], []):
            devices[run["device"]].append(run["recipe"])
    lines = [f"- {device}: {', '.join(names)}\n" for device, names in devices.items()]
    return f"{overview_markdown(results)}\nThe machines of these runs:\n\n{''.join(lines)}"


def metrics_tables() -> str:
    """All metrics of the last epoch of each experiment, a table for each file of results."""
    parts = []
    for name in (*REPRODUCTIONS, *OTHER_REPRODUCTIONS):
        experiments = [experiment for experiment in compare(read(name)) if experiment.is_of_the_book]
        run = next(_finished(read(name)))
        title = f"### {run['device']}, {run['dtype']}".replace("cpu, ", "").replace("gpu, ", "")
        link = f"[JSON](../../experiments/results/{name}.json), jax {run['versions']['jax']}."
        parts.append(f"{title}\n\n{link}\n\n{markdown_table(detail_rows(experiments))}")
    return "\n".join(parts)


def modern_resnet_table() -> str:
    """The test accuracy of ResNet with modern training, next to that of the book's recipe."""
    results = read("modern-resnet-avx2-2-cores")
    found = {
        "`resnet`": results["resnet"]["test_accuracies"],
        "`resnet_modern` with these options": [run[-1]["test_accuracy"] for run in results["resnet_modern"].values()],
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
    """The training losses of runs with the same seed and both places of Adam's epsilon, next to the book's."""
    usual = {(run["recipe"], run["seed"]): run for name in reversed(REPRODUCTIONS) for run in read(name)["runs"]}
    rows = [("training loss", *(f"epoch {number}" for number in range(1, 6)))]
    for run in _finished(read("adam-epsilon-hat-avx512-2-cores")):
        name, seed = run["recipe"], run["seed"]
        if name not in ("alexnet", "vgg", "nin", "googlenet"):
            continue
        losses = {
            "the book": [epoch.loss for epoch in ALL_RECIPES[name].reference],
            f"epsilon added after, seed {seed}": [epoch["train_loss"] for epoch in usual[name, seed]["epochs"]],
            f"epsilon added before, seed {seed}": [epoch["train_loss"] for epoch in run["epochs"]],
        }
        for about, values in losses.items():
            cells = [f"{loss:.4f}" for loss in values]
            rows.append((f"`{name}`, {about}", *cells, *[""] * (5 - len(cells))))
    return markdown_table(rows)


def as_markdown(script: str) -> Callable[..., Any]:
    """The function of a script in experiments/ that makes a Markdown table from its results."""
    return runpy.run_path(str(ROOT / "experiments" / script))["as_markdown"]


def all_runs() -> Results:
    """The committed runs. Those of a recipe are from the machine with most finished runs of it."""
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
