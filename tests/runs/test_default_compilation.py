"""Runs compiled at XLA's default level, as users compile them. All other tests compile with fewer optimizations."""

import json
import signal
import time

from processes import start

TIMES = {"seconds", "images_per_second", "compile_seconds"}


def outcome(workdir):
    """The digest of the parameters and statistics, and all metrics except times."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    metrics = [{key: value for key, value in line.items() if key not in TIMES} for line in lines]
    return json.loads((workdir / "summary.json").read_text())["params_sha256"], metrics


def test_a_killed_run_equals_another_that_was_not(sample, tmp_path):
    """Bit for bit, and each is compiled by itself."""
    whole = start(sample, tmp_path / "whole", tmp_path / "compiled", optimized=True)
    killed = start(sample, tmp_path / "killed", tmp_path / "compiled again", every=1, optimized=True)
    while killed.is_alive() and not any((tmp_path / "killed").glob("checkpoints/[0-9]*")):
        time.sleep(0.001)
    killed.kill()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    resumed = start(sample, tmp_path / "killed", tmp_path / "compiled again", optimized=True)
    for process in (whole, resumed):
        process.join()
        assert process.exitcode == 0
    digest, metrics = outcome(tmp_path / "whole")
    assert len(metrics) == 4
    assert outcome(tmp_path / "killed") == (digest, metrics)
