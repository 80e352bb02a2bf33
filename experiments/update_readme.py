"""Writes the README's tables anew from the JSON in experiments/results: python experiments/update_readme.py."""

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
    """What makes a table in Markdown of the results of the benchmark called `name`."""
    return runpy.run_path(str(ROOT / "experiments" / "benchmarks" / f"{name}.py"))["as_markdown"]


def tables() -> dict[str, str]:
    """Each table of the README by the name in its marks."""
    return {
        "reproduction": overview_markdown(read(REPRODUCTION)),
        "vs_pytorch": benchmark_table("vs_pytorch")(read("vs-pytorch-cpu-2-cores")),
        "streaming": benchmark_table("streaming")(read("streaming-cpu-2-cores")),
    }


def read(name: str) -> dict[str, Any]:
    """The results in the JSON file called `name`."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def update(text: str) -> str:
    """The README `text` with its tables as the JSON has them."""
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        text, count = re.subn(
            f"{begin}\n.*?{end}", lambda _, new=f"{begin}\n{table}\n{end}": new, text, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"README.md has the marks {begin} and {end} {count} times: expected once")
    return text


if __name__ == "__main__":
    README.write_text(update(README.read_text(encoding="utf-8")), encoding="utf-8")
    (RESULTS / f"{REPRODUCTION}.md").write_text(as_markdown(read(REPRODUCTION)), encoding="utf-8")
