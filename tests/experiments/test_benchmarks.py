"""The benchmarks run, and their sides agree; how fast they are is not tested."""

import json
import runpy
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "experiments" / "benchmarks"


def test_corr2d_is_timed_beside_its_peers(tmp_path):
    output = tmp_path / "corr2d.json"
    runpy.run_path(str(BENCHMARKS / "corr2d.py"))["main"](size=16, kernel_size=3, repeats=2, output=output)
    results = json.loads(output.read_text())
    names = {"NumPy, loop over pixels", "SciPy, correlate2d", "XLA, convolution", "ops.corr2d"}
    assert set(results["milliseconds"]) == set(results["ratios"]) == set(results["samples"]) == names
    assert all(len(samples) == 2 and min(samples) > 0 for samples in results["samples"].values())
    assert results["ratios"]["ops.corr2d"] == 1
