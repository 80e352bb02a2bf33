"""Runs that are interrupted in every way, and resumed."""

import io
import itertools
import json
import logging
import os
import pickle
import random
import shutil
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from processes import RECIPE, final_message, start, stderr_file
from rich.console import Console

from jaxcnn import errors, runs
from jaxcnn.runs import Interval, RunConfig
from jaxcnn.training import Checkpointer, create_train_state
from jaxcnn.writers import TerminalWriter

KILLS = 20
NOBODY = 65534
TIMES = {"seconds", "images_per_second", "compile_seconds"}


def outcome(workdir):
    """All results of a run except times: every array of its newest checkpoint, and the metrics."""
    state = create_train_state(RECIPE.model, RECIPE.make_optimizer(), jax.random.key(1), (28, 28, 1))
    with Checkpointer(workdir / "checkpoints") as checkpoints:
        state = checkpoints.restore(state)
    arrays = {
        jax.tree_util.keystr(path): np.asarray(leaf if leaf.dtype != state.key.dtype else jax.random.key_data(leaf))
        for path, leaf in jax.tree.leaves_with_path(state)
    }
    return {path: array.tobytes() for path, array in arrays.items()}, metrics(workdir)


def metrics(workdir):
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def whole(sample, compiled, tmp_path_factory):
    """The outcome of an uninterrupted run, and the seconds that a process needs before its first step."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    for _ in range(2):  # the second process compiles nothing and finds a finished run
        began = time.monotonic()
        process = start(sample, workdir, compiled)
        process.join()
        assert process.exitcode == 0
    return outcome(workdir), time.monotonic() - began


def test_resume_is_bit_exact_after_sigkill(sample, compiled, whole, tmp_path, record_fault):
    """Kill at random moments, every second time during a save. After the last kill, the run finishes."""
    expected, seconds = whole
    rng = random.Random(0)
    kills = during_a_save = 0
    for number in itertools.count():
        workdir = tmp_path / str(number)
        process = start(sample, workdir, compiled)
        while kills < KILLS:
            process.join(rng.uniform(0.3, 1.5) * seconds)
            while kills % 2 and process.is_alive() and not is_saving(workdir):
                time.sleep(0.001)
            if not process.is_alive():
                break
            during_a_save += is_saving(workdir)
            process.kill()
            process.join()
            kills += 1
            process = start(sample, workdir, compiled)
        process.join()
        assert process.exitcode == 0
        assert outcome(workdir) == expected
        if kills == KILLS:
            break
    assert during_a_save >= KILLS // 4
    record_fault(
        f"a run killed by SIGKILL {KILLS} times, at random moments and in saves",
        "the same command resumes it; every run ends with the bytes of an uninterrupted one: states and metrics",
    )


def is_saving(workdir):
    return any(workdir.glob("checkpoints/*tmp*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_resume_is_bit_exact_after_a_signal(sample, compiled, whole, tmp_path, record_fault, number):
    workdir = tmp_path / "run"
    process = start(sample, workdir, compiled, every=1)
    while process.is_alive() and not any(workdir.glob("checkpoints/[0-9]*")):
        time.sleep(0.001)
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 128 + number
    summary = json.loads((workdir / "summary.json").read_text())
    assert (summary["status"], summary["epochs_done"]) == ("interrupted", len(metrics_or_none(workdir)))
    line = final_message(workdir)
    process = start(sample, workdir, compiled)
    process.join()
    assert outcome(workdir) == whole[0]
    record_fault(f"a run stopped by {number.name}", f"saves, one line, exit code {128 + number}", line)


def metrics_or_none(workdir):
    return metrics(workdir) if (workdir / "metrics.jsonl").exists() else []


def test_a_full_disk_ends_the_run_with_one_line(sample, compiled, whole, tmp_path, record_fault):
    workdir = tmp_path / "run"
    process = start(sample, workdir, compiled, file_size=10_000)
    process.join()
    assert process.exitcode == 1
    line = final_message(workdir)
    (warning,) = stderr_file(workdir).read_text().splitlines()
    assert "the run cannot be opened by other commands (processes:Quick" in warning
    process = start(sample, workdir, compiled)
    process.join()
    assert outcome(workdir) == whole[0]
    reason = line.rpartition("File too large")
    assert reason[1]
    record_fault(
        "a disk on which files cannot exceed 10 kB", "one line, exit code 1; resumes later", "".join(reason[1:])
    )


def test_a_read_only_directory_is_not_changed(sample, compiled, whole, record_fault):
    with tempfile.TemporaryDirectory() as directory:  # pytest's directories are closed to other users
        workdir = Path(directory) / "run"
        workdir.mkdir()
        Path(directory).chmod(0o755)
        workdir.chmod(0o555)
        process = start(sample, workdir, compiled, user=NOBODY if os.getuid() == 0 else None)
        process.join()
        assert process.exitcode == 2
        assert list(workdir.iterdir()) == []
        record_fault(
            "a run in a directory that is read-only",
            "one line, exit code 2",
            final_message(workdir).replace(directory, "DIR"),
        )


def test_a_directory_in_use_is_not_changed(sample, compiled, whole, tmp_path, record_fault):
    workdir = tmp_path / "run"
    one = start(sample, workdir, compiled, every=1)
    while one.is_alive() and not any(workdir.glob("checkpoints/[0-9]*")):
        time.sleep(0.001)
    line = "nothing"
    try:
        runs.train(RunConfig(RECIPE), sample, workdir)
    except errors.InputError as error:
        line = str(error)
    one.join()
    assert outcome(workdir) == whole[0]
    record_fault("two runs in one directory at once", "the second is refused, the first continues", line)


# After a failed read, Orbax abandons the other reads of the checkpoint.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_checkpoint_is_skipped(sample, compiled, whole, tmp_path, caplog, record_fault):
    workdir = tmp_path / "run"
    process = start(sample, workdir, compiled)
    process.join()
    newest = max((workdir / "checkpoints").iterdir(), key=lambda path: int(path.name))
    for path in newest.rglob("*"):
        if path.is_file() and path.stat().st_size:
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size // 2)
    console = Console(file=io.StringIO(), width=200)
    with caplog.at_level(logging.WARNING, logger="jaxcnn"):
        runs.train(
            RunConfig(RECIPE), sample, workdir, writers=[TerminalWriter(console)], checkpoint_every=Interval(steps=5)
        )
    (line,) = [message for message in caplog.messages if "skipped" in message]
    line = line.replace(f"checkpoint {newest.name}", "checkpoint N")
    assert "resuming from checkpoint" in console.file.getvalue()
    assert outcome(workdir) == whole[0]
    record_fault(
        "a checkpoint with all files truncated to half", "the previous one is used, with a warning; the same results",
        line.partition(":")[0],
    )  # fmt: skip


def test_a_finished_run_is_shown_and_not_changed(sample, tmp_path):
    config = RunConfig(replace(RECIPE, num_epochs=1))
    console = Console(file=io.StringIO(), width=200)
    first = runs.train(config, sample, tmp_path / "run", writers=[TerminalWriter(console)])
    again = runs.train(config, sample, tmp_path / "run", writers=[TerminalWriter(console)])
    assert [epoch.as_json() for epoch in again] == [epoch.as_json() for epoch in first]
    assert "finished after 1 of 1 epoch" in console.file.getvalue()
    assert "already finished after 1 of 1 epoch" in console.file.getvalue()


def test_other_hyperparameters_are_not_resumed(sample, tmp_path, record_fault):
    console = Console(file=io.StringIO())
    runs.train(RunConfig(replace(RECIPE, num_epochs=1)), sample, tmp_path / "run", writers=[TerminalWriter(console)])
    before = shutil.make_archive(str(tmp_path / "before"), "tar", tmp_path / "run")
    with pytest.raises(errors.InputError) as raised:
        runs.train(RunConfig(RECIPE, seed=4), sample, tmp_path / "run", writers=[TerminalWriter(console)])
    after = shutil.make_archive(str(tmp_path / "after"), "tar", tmp_path / "run")
    assert Path(before).read_bytes() == Path(after).read_bytes()
    record_fault("the directory of a run with other hyperparameters", "refused with the difference", str(raised.value))


def test_nothing_is_unpickled(sample, tmp_path, monkeypatch):
    def unpickle(*args, **kwargs):
        pytest.fail("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, unpickle)
    console = Console(file=io.StringIO())
    for _ in range(2):
        runs.train(
            RunConfig(replace(RECIPE, num_epochs=1)), sample, tmp_path / "run", writers=[TerminalWriter(console)]
        )


@pytest.mark.parametrize(
    "settings", [{"every": 1}, {"every": 7}, {"every": 1000, "terminal": True}], ids=["each step", "7 steps", "epochs"]
)
def test_chunks_and_writers_do_not_change_results(sample, compiled, whole, tmp_path, settings):
    process = start(sample, tmp_path / "run", compiled, **settings)
    process.join()
    assert outcome(tmp_path / "run") == whole[0]
