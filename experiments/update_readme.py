"""Update the tables of README.md from the JSON files in experiments/results.

python experiments/update_readme.py
"""

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxcnn.reproduction import as_markdown, overview_markdown

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "experiments" / "results"
REPRODUCTION = "reproduction-avx512-2-cores"


def benchmark_table(name: str) -> Callable[[dict[str, Any]], str]:
    """The function that makes a Markdown table from the results of the benchmark called `name`."""
    return runpy.run_path(str(ROOT / "experiments" / "benchmarks" / f"{name}.py"))["as_markdown"]


def tables() -> dict[str, str]:
    """The tables of README.md, by the names of their markers."""
    return {
        "reproduction": overview_markdown(read(REPRODUCTION)),
        "vs_pytorch": benchmark_table("vs_pytorch")(read("vs-pytorch-cpu-2-cores")),
        "streaming": benchmark_table("streaming")(read("streaming-cpu-2-cores")),
    }


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
    (RESULTS / f"{REPRODUCTION}.md").write_text(as_markdown(read(REPRODUCTION)), encoding="utf-8")
