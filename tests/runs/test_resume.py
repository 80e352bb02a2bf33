"""Runs that are cut off in every way, and gone on with."""

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
from processes import RECIPE, said, start
from rich.console import Console

from jaxcnn import errors, runs
from jaxcnn.runs import Interval, RunConfig
from jaxcnn.training import Checkpoints, create_train_state

KILLS = 20
NOBODY = 65534
TIMES = {"seconds", "images_per_second", "compile_seconds"}


def outcome(workdir):
    """All that a run ends with, but for times: every array of its newest checkpoint, and the figures."""
    state = create_train_state(RECIPE.model, RECIPE.make_optimizer(), jax.random.key(1), (28, 28, 1))
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        state = checkpoints.restore(state)
    arrays = {
        jax.tree_util.keystr(path): np.asarray(leaf if leaf.dtype != state.key.dtype else jax.random.key_data(leaf))
        for path, leaf in jax.tree.leaves_with_path(state)
    }
    return {path: array.tobytes() for path, array in arrays.items()}, figures(workdir)


def figures(workdir):
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def whole(sample, compiled, tmp_path_factory):
    """The outcome of a run that nothing interrupts, and how many seconds pass before one that is begun takes steps."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    for _ in range(2):  # the second time it compiles nothing, and finds all steps taken
        began = time.monotonic()
        process = start(sample, workdir, compiled)
        process.join()
        assert process.exitcode == 0
    return outcome(workdir), time.monotonic() - began


def test_killed_at_any_moment_a_run_goes_on_to_the_same_end(sample, compiled, whole, tmp_path, fault):
    """Each kill is at a random moment, every other one in the save that follows; in the end it is left alone."""
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
    fault(
        f"a run killed by SIGKILL {KILLS} times, at random moments and in saves",
        "the same command goes on",
        "every run ended with the bytes of one that was never killed: states and figures",
    )


def is_saving(workdir):
    return any(workdir.glob("checkpoints/*tmp*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_first_and_the_same_command_goes_on(sample, compiled, whole, tmp_path, fault, number):
    workdir = tmp_path / "run"
    process = start(sample, workdir, compiled, every=1)
    while process.is_alive() and not any(workdir.glob("checkpoints/[0-9]*")):
        time.sleep(0.001)
    os.kill(process.pid, number)
    process.join()
    assert process.exitcode == 128 + number
    summary = json.loads((workdir / "summary.json").read_text())
    assert (summary["status"], summary["epochs_done"]) == ("interrupted", len(figures_or_none(workdir)))
    line = said(workdir)
    process = start(sample, workdir, compiled)
    process.join()
    assert outcome(workdir) == whole[0]
    fault(f"a run stopped by {number.name}", f"saves, says so, exit code {128 + number}", line)


def figures_or_none(workdir):
    return figures(workdir) if (workdir / "metrics.jsonl").exists() else []


def test_where_files_cannot_grow_the_run_ends_and_says_so(sample, compiled, whole, tmp_path, fault):
    workdir = tmp_path / "run"
    process = start(sample, workdir, compiled, file_size=10_000)
    process.join()
    assert process.exitcode == 1
    line = said(workdir)
    process = start(sample, workdir, compiled)
    process.join()
    assert outcome(workdir) == whole[0]
    reason = line.rpartition("File too large")
    assert reason[1]
    fault("a disk on which no file grows beyond 10 kB", "one line, exit code 1, goes on later", "".join(reason[1:]))


def test_a_directory_that_cannot_be_written_to_is_refused_and_left_alone(sample, compiled, whole, fault):
    with tempfile.TemporaryDirectory() as directory:  # not in pytest's own, which are closed to other users
        workdir = Path(directory) / "run"
        workdir.mkdir()
        Path(directory).chmod(0o755)
        workdir.chmod(0o555)
        process = start(sample, workdir, compiled, user=NOBODY if os.getuid() == 0 else None)
        process.join()
        assert process.exitcode == 2
        assert list(workdir.iterdir()) == []
        fault(
            "a run in a directory that is read-only", "one line, exit code 2", said(workdir).replace(directory, "DIR")
        )


def test_two_processes_do_not_get_in_each_others_way(sample, compiled, whole, tmp_path, fault):
    workdir = tmp_path / "run"
    one = start(sample, workdir, compiled, every=1)
    while one.is_alive() and not any(workdir.glob("checkpoints/[0-9]*")):
        time.sleep(0.001)
    line = "nothing"
    try:
        runs.train(RunConfig(RECIPE), sample, workdir, Console(file=io.StringIO()))
    except errors.InputError as error:
        line = str(error)
    one.join()
    assert outcome(workdir) == whole[0]
    fault("two runs in one directory at once", "the second is refused, the first goes on", line)


# Where a read fails, Orbax leaves others behind that it had begun.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_checkpoint_that_is_damaged_is_skipped_for_the_one_before(sample, compiled, whole, tmp_path, caplog, fault):
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
        runs.train(RunConfig(RECIPE), sample, workdir, console, checkpoint_every=Interval(steps=5))
    (line,) = [message for message in caplog.messages if "skipped" in message]
    line = line.replace(f"checkpoint {newest.name}", "checkpoint N")
    assert "going on from checkpoint" in console.file.getvalue()
    assert outcome(workdir) == whole[0]
    fault(
        "a checkpoint with each of its files cut in half", "the one before is taken, and said; the same end",
        line.partition(":")[0],
    )  # fmt: skip


def test_a_run_that_is_finished_is_shown_and_left_as_it_is(sample, tmp_path):
    config = RunConfig(replace(RECIPE, num_epochs=1))
    console = Console(file=io.StringIO(), width=200)
    first = runs.train(config, sample, tmp_path / "run", console)
    assert runs.train(config, sample, tmp_path / "run", console) == first
    assert console.file.getvalue().count("finished after 1 of 1 epochs") == 2


def test_a_run_of_other_hyperparameters_is_refused_and_left_alone(sample, tmp_path, fault):
    console = Console(file=io.StringIO())
    runs.train(RunConfig(replace(RECIPE, num_epochs=1)), sample, tmp_path / "run", console)
    before = shutil.make_archive(str(tmp_path / "before"), "tar", tmp_path / "run")
    with pytest.raises(errors.InputError) as raised:
        runs.train(RunConfig(RECIPE, seed=4), sample, tmp_path / "run", console)
    after = shutil.make_archive(str(tmp_path / "after"), "tar", tmp_path / "run")
    assert Path(before).read_bytes() == Path(after).read_bytes()
    fault("a directory of a run with other hyperparameters", "refused with the difference", str(raised.value))


def test_nothing_is_unpickled(sample, tmp_path, monkeypatch):
    def unpickle(*args, **kwargs):
        pytest.fail("something was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, unpickle)
    console = Console(file=io.StringIO())
    for _ in range(2):
        runs.train(RunConfig(replace(RECIPE, num_epochs=1)), sample, tmp_path / "run", console)


@pytest.mark.parametrize(
    "settings", [{"every": 1}, {"every": 7}, {"every": 1000, "terminal": True}], ids=["each step", "7 steps", "epochs"]
)
def test_chunks_and_what_is_shown_change_nothing(sample, compiled, whole, tmp_path, settings):
    process = start(sample, tmp_path / "run", compiled, **settings)
    process.join()
    assert outcome(tmp_path / "run") == whole[0]
