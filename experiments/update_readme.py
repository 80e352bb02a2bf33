"""Update the tables of README.md from the JSON files in experiments/results.

python experiments/update_readme.py
"""

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxcnn.reproduction import as_markdown, merge_results, overview_markdown

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "experiments" / "results"
REPRODUCTIONS = ("reproduction-avx512-2-cores", "reproduction-h200")
OTHER_REPRODUCTIONS = ("reproduction-h200-bfloat16",)


def benchmark_table(name: str) -> Callable[..., str]:
    """The function that makes a Markdown table from the results of the benchmark called `name`."""
    return runpy.run_path(str(ROOT / "experiments" / "benchmarks" / f"{name}.py"))["as_markdown"]


def tables() -> dict[str, str]:
    """The tables of README.md, by the names of their markers."""
    return {
        "reproduction": reproduction_table(),
        "vs_pytorch": benchmark_table("vs_pytorch")(read("vs-pytorch-avx2-2-cores"), read("profile-avx2-2-cores")),
        "streaming": benchmark_table("streaming")(read("streaming-cpu-2-cores")),
    }


def reproduction_table() -> str:
    """The overview of the reproduction. The runs of a recipe are from the machine with most finished runs of it."""
    runs = merge_results(map(read, REPRODUCTIONS))["runs"]
    devices: dict[str, list[str]] = {}
    for run in runs:
        if run["status"] == "finished" and run["recipe"] not in devices.setdefault(run["device"], []):
            devices[run["device"]].append(run["recipe"])
    lines = [f"- {device}: {', '.join(names)}\n" for device, names in devices.items()]
    table = overview_markdown({"runs": runs})
    return f"{table}\nThe machines of these runs:\n\n{''.join(lines)}"


def read(name: str) -> dict[str, Any]:
    """Read the results in the JSON file called `name`."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def update(text: str) -> str:
    """Replace the tables in `text`, the content of README.md."""
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        text, count = re.subn(
            f"{begin}\n.*?{end}", lambda _, new=f"{begin}\n{table}\n{end}": new, text, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"README.md has the markers {begin} and {end} {count} times: expected once")
    return text


if __name__ == "__main__":
    README.write_text(update(README.read_text(encoding="utf-8")), encoding="utf-8")
    for name in (*REPRODUCTIONS, *OTHER_REPRODUCTIONS):
        (RESULTS / f"{name}.md").write_text(as_markdown(read(name)), encoding="utf-8")
