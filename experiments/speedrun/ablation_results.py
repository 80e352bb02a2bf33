"""Compare the variants of the ablation with the recipe, and draw the differences.

python experiments/speedrun/ablation_results.py ABLATION.json docs/images/speedrun-ablation.png
"""

import json
import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import tyro

from jaxcnn.reproduction import markdown_table

ALL_INGREDIENTS = "all ingredients"


class Difference(NamedTuple):
    """The mean of the differences of the same seeds, and its standard error (NaN with one seed)."""

    mean: float
    error: float

    def __str__(self) -> str:
        error = "" if math.isnan(self.error) else f" ± {self.error:.2f}"
        return f"{self.mean:+.2f}{error}".replace("-", "\N{MINUS SIGN}").replace(" ", "\N{NO-BREAK SPACE}")


class Comparison(NamedTuple):
    """A variant, next to the recipe with all ingredients.

    Attributes:
        name: the variant.
        seeds: number of seeds.
        time_ratio: time of a step, as a multiple of the recipe's.
        accuracy: difference of the validation accuracy, in percentage points.
        accuracy_tta: the same with test-time augmentation.
    """

    name: str
    seeds: int
    time_ratio: float
    accuracy: Difference
    accuracy_tta: Difference


def compare(results: dict[str, Any]) -> Iterator[Comparison]:
    """Compare each variant with the recipe, over the seeds that both have."""
    variants = {name: variant["runs"] for name, variant in results["variants"].items()}
    recipe, times = variants.pop(ALL_INGREDIENTS), results["step_milliseconds"]
    for name, runs in variants.items():
        pairs = list(zip(recipe, runs, strict=False))
        differences = (
            _difference([100 * (run[metric] - usual[metric]) for usual, run in pairs])
            for metric in ("accuracy", "accuracy_tta")
        )
        yield Comparison(name, len(pairs), times[name] / times[ALL_INGREDIENTS], *differences)


def as_markdown(results: dict[str, Any]) -> str:
    """The comparisons as a table, below a line about the recipe."""
    summary, recipe = results["variants"][ALL_INGREDIENTS]["summary"], results["recipe"]
    rows = [("variant", "seeds", "time of a step", "accuracy, points", "with 10 views, points")]
    rows += [
        (each.name, str(each.seeds), f"x{each.time_ratio:.2f}", str(each.accuracy), str(each.accuracy_tta))
        for each in compare(results)
    ]
    return (
        f"{recipe['num_epochs']} epochs with all ingredients: {summary['seconds']:.0f} s, validation accuracy "
        f"{100 * summary['accuracy']:.2f} %, with 10 views {100 * summary['accuracy_tta']:.2f} %, the mean of "
        f"{summary['seeds']} seeds ({results['device']}).\n\n{markdown_table(rows)}"
    )


def main(results: Path, figure: Path, /) -> None:
    """Draw the differences of the accuracy and of the time.

    Args:
        results: the JSON file of ablation.py.
        figure: the picture that is written.
    """
    found = sorted(compare(json.loads(results.read_text())), key=lambda each: each.accuracy_tta.mean, reverse=True)
    names, heights = [each.name for each in found], range(len(found))
    drawn, (left, right) = plt.subplots(
        1, 2, figsize=(9, 0.36 * len(found) + 1.2), sharey=True, layout="constrained", width_ratios=(2, 1)
    )
    for metric, label, marker, offset in (
        ("accuracy", "one view", "o", 0.12),
        ("accuracy_tta", "10 views", "s", -0.12),
    ):
        differences = [getattr(each, metric) for each in found]
        left.errorbar(
            [each.mean for each in differences],
            [height + offset for height in heights],
            xerr=[each.error for each in differences],
            fmt=marker,
            markersize=5,
            capsize=2,
            label=label,
        )
    left.axvline(0, color="gray", linewidth=1)
    left.set_xlabel("validation accuracy, difference in points")
    left.legend(fontsize=9)
    right.barh(heights, [each.time_ratio - 1 for each in found], left=1, color="tab:gray")
    right.axvline(1, color="gray", linewidth=1)
    right.set_xlabel("time of a step, ratio")
    left.set_yticks(heights, names)
    drawn.savefig(figure, dpi=90)


def _difference(values: list[float]) -> Difference:
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return Difference(statistics.fmean(values), error)


if __name__ == "__main__":
    tyro.cli(main)
