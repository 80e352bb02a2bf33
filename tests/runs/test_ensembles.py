"""Several runs in one program, each saved like a single run."""

import io
import json
import os
import shutil
import signal
import threading
import time
from dataclasses import replace

import jax
import numpy as np
import pytest
from modes import equal_on_devices
from processes import RECIPE
from rich.console import Console

from jaxcnn import runs
from jaxcnn.errors import DivergedError, InputError, StoppedError
from jaxcnn.runs import Interval, RunConfig, lock_directory, sweep
from jaxcnn.training import Checkpointer
from jaxcnn.writers import TerminalWriter

TIMES = {"seconds", "images_per_second", "compile_seconds"}


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100, force_terminal=False)


def shown(console):
    return console.file.getvalue()


def several(root, *, learning_rates=(RECIPE.learning_rate,), num_seeds=1, **changes):
    return sweep(RunConfig(replace(RECIPE, **changes)), root, learning_rates=learning_rates, num_seeds=num_seeds)


def metrics(epochs):
    return [(e.train_loss, e.train_accuracy, e.test_loss, e.test_accuracy) for e in epochs]


def outcome(path):
    """All results of a run except times."""
    summary = json.loads((path / "summary.json").read_text())
    lines = map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
    return (
        {key: value for key, value in summary.items() if key not in (*TIMES, "device", "last_epoch")},
        [{key: value for key, value in line.items() if key not in TIMES} for line in lines],
    )


def status(path):
    return json.loads((path / "summary.json").read_text())["status"]


def cut_back(path):
    """Remove the newest checkpoint of a run, as if it had been killed before; return the step of the one before."""
    with Checkpointer(path / "checkpoints") as checkpoints:
        *_, left, newest = checkpoints.steps()
    shutil.rmtree(path / "checkpoints" / str(newest))
    return left


@pytest.fixture(scope="module")
def single_runs(sample, tmp_path_factory):
    """Single runs of two seeds at two rates: their outcomes by rate and seed."""
    root = tmp_path_factory.mktemp("single")
    found = {}
    for path, config in several(root, learning_rates=(0.001, 0.01), num_seeds=2).items():
        epochs = runs.train(config, sample, path)
        found[config.recipe.learning_rate, config.seed] = outcome(path)
        assert len(epochs) == RECIPE.num_epochs
    return found


@pytest.mark.parametrize("num_devices", [1, pytest.param(2, marks=equal_on_devices)])
def test_each_member_equals_its_single_run(sample, single_runs, tmp_path, console, num_devices):
    configs = several(tmp_path, learning_rates=(0.001, 0.01), num_seeds=2)
    every = runs.train_ensemble(configs, sample, writers=[TerminalWriter(console)], num_devices=num_devices)
    assert [path.relative_to(tmp_path).as_posix() for path in configs] == [
        "rate-0.001/seed-0", "rate-0.001/seed-1", "rate-0.01/seed-0", "rate-0.01/seed-1",
    ]  # fmt: skip
    for (path, config), epochs in zip(configs.items(), every, strict=True):
        assert outcome(path) == single_runs[config.recipe.learning_rate, config.seed]
        assert [epoch.test_accuracy for epoch in epochs] == [line["test_accuracy"] for line in outcome(path)[1]]


@equal_on_devices
def test_a_member_resumes_as_a_single_run(sample, single_runs, tmp_path, console):
    configs = several(tmp_path, num_seeds=2)
    runs.train_ensemble(
        configs, sample, writers=[TerminalWriter(console)], num_devices=2, checkpoint_every=Interval(steps=5)
    )
    path, config = list(configs.items())[1]
    step = cut_back(path)
    runs.train(config, sample, path, writers=[TerminalWriter(console)])
    assert f"resuming from checkpoint {step}" in shown(console)
    assert outcome(path) == single_runs[0.001, 1]


@equal_on_devices
def test_runs_at_different_steps_resume_in_groups(sample, single_runs, tmp_path, console):
    """One is finished, two were interrupted at the same step, and one is new."""
    configs = several(tmp_path, learning_rates=(0.001, 0.01), num_seeds=2)
    begun = dict(list(configs.items())[:3])
    runs.train_ensemble(begun, sample, writers=[TerminalWriter(console)], checkpoint_every=Interval(steps=5))
    step = {cut_back(path) for path in list(begun)[1:]}.pop()
    before = shown(console)
    runs.train_ensemble(configs, sample, writers=[TerminalWriter(console)], num_devices=1)
    text = shown(console)[len(before) :]
    assert f"2 members, sequential\nresuming from checkpoint {step}\n" in text
    assert "4 finished" in text
    for path, config in configs.items():
        assert outcome(path) == single_runs[config.recipe.learning_rate, config.seed]


@equal_on_devices
def test_a_signal_stops_and_saves_all_members(sample, single_runs, tmp_path, console):
    configs = several(tmp_path, num_seeds=2)
    paths = list(configs)

    def interrupt():
        while len([path for path in paths[1].glob("checkpoints/*") if path.name.isdigit()]) < 2:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        with pytest.raises(StoppedError, match="stopped by SIGTERM"):
            runs.train_ensemble(configs, sample, writers=[TerminalWriter(console)], checkpoint_every=Interval(steps=1))
    finally:
        thread.join()
        signal.signal(signal.SIGTERM, before)
    assert {status(path) for path in paths} == {"interrupted"}
    assert "2 interrupted; the runs are in" in shown(console)
    step = cut_back(paths[0])
    runs.train_ensemble(configs, sample, writers=[TerminalWriter(console)])
    assert shown(console).count(f"resuming from checkpoint {step}\n") == 1, "the newest step that both have"
    for path, config in configs.items():
        assert outcome(path) == single_runs[config.recipe.learning_rate, config.seed]


@equal_on_devices
def test_a_diverged_member_ends_and_the_others_continue(sample, single_runs, tmp_path, console):
    configs = several(tmp_path, learning_rates=(0.001, 1e38))
    with pytest.raises(DivergedError, match=r"not finite after step \d+: the run in .*rate-1e\+38/seed-0 ends"):
        runs.train_ensemble(configs, sample, writers=[TerminalWriter(console)])
    good, bad = configs
    assert outcome(good) == single_runs[0.001, 0]
    assert status(bad) == "diverged"
    assert "1 finished, 1 diverged; the runs are in" in shown(console)


def test_members_that_are_not_finite_can_go_on(sample, tmp_path, console):
    wild = several(tmp_path, learning_rates=(1e38,), num_seeds=2)
    for epochs in runs.train_ensemble(wild, sample, writers=[TerminalWriter(console)], keep_going=True):
        assert not np.isfinite(epochs[-1].train_loss)
    assert "nan" in shown(console)


def test_several_seeds_are_shown_by_mean_and_deviation(sample, tmp_path, console):
    configs = several(tmp_path, num_seeds=4)
    every = runs.train_ensemble(configs, sample, writers=[TerminalWriter(console)], num_devices=2)
    text = " ".join(shown(console).split())
    last = [epochs[-1].test_accuracy for epochs in every]
    assert "seeds 0, 1, 2, 3" in text
    assert "4 members, sequential on each of 2 devices" in text
    assert f"test {np.mean(last):.3f} ±{np.std(last, ddof=1):.3f}," in text
    assert f"{min(last):.3f} {max(last):.3f}" in text
    assert "each run after its last epoch" in text
    assert text.count("█") >= 1


def test_rates_are_shown_in_a_table_and_none_is_called_the_best(sample, tmp_path, console):
    configs = several(tmp_path, learning_rates=(0.0001, 0.01), num_seeds=2)
    every = runs.train_ensemble(configs, sample, writers=[TerminalWriter(console)])
    text = " ".join(shown(console).split())
    assert "Muon in one cycle up to 0.0001, 0.01, weight decay" in text
    for pair in (0, 2):
        assert f"{np.mean([epochs[-1].test_accuracy for epochs in every[pair : pair + 2]]):.3f} ±" in text
    assert "the test images select no learning rate; hold out validation images with --val-fraction 0.1" in text
    assert "best" not in text
    assert "epoch 4 at 0.01: loss" in text


def test_a_data_parallel_run_equals_a_single_one(sample, tmp_path, console):
    config = RunConfig(replace(RECIPE, num_epochs=1, batch_size=100))
    one = runs.train(config, sample, tmp_path / "one", writers=[TerminalWriter(console)])
    eight = runs.train(config, sample, tmp_path / "eight", writers=[TerminalWriter(console)], num_devices=8)
    np.testing.assert_allclose(metrics(one), metrics(eight), rtol=1e-4)
    assert "batches sharded over 8 devices" in shown(console)
    again = runs.train(config, sample, tmp_path / "eight", writers=[TerminalWriter(console)], num_devices=2)
    assert [epoch.as_json() for epoch in again] == [epoch.as_json() for epoch in eight]


def test_a_refused_ensemble_leaves_no_settings_behind(sample, tmp_path):
    """One of its runs has other settings, so no other run begins."""
    runs.train(RunConfig(RECIPE), sample.limit(64), tmp_path / "there", writers=[])
    configs = {
        tmp_path / "new": RunConfig(RECIPE, seed=1),
        tmp_path / "there": RunConfig(RECIPE, seed=2),
    }
    with pytest.raises(InputError, match="there has a run with other settings"):
        runs.train_ensemble(configs, sample, writers=[])
    assert not list((tmp_path / "new").iterdir())
    os.close(lock_directory(tmp_path / "new"))  # it is not locked


def test_finished_members_keep_their_summary(sample, tmp_path):
    configs = several(tmp_path, num_seeds=2)
    (first, config), *_ = configs.items()
    runs.train(config, sample, first, writers=[])
    summary = json.loads((first / "summary.json").read_text()) | {"device": "cpu, abacus"}
    (first / "summary.json").write_text(json.dumps(summary))
    runs.train_ensemble(configs, sample, writers=[])
    assert json.loads((first / "summary.json").read_text()) == summary


def test_invalid_ensembles_raise(sample, tmp_path, console):
    config = RunConfig(RECIPE)
    with pytest.raises(InputError, match="2 runs of 2 kinds: they may differ in seed and learning rate alone"):
        runs.train_ensemble({tmp_path / "a": config, tmp_path / "b": replace(config, limit=5)}, sample)
    runs.train(replace(config, limit=32), sample, tmp_path / "single", writers=[TerminalWriter(console)])
    with pytest.raises(InputError, match="is the directory of a single run"):
        runs.train_ensemble(several(tmp_path / "single", num_seeds=2), sample, writers=[TerminalWriter(console)])
    with pytest.raises(InputError, match="--seeds 0: expected 1 or more"):
        several(tmp_path, num_seeds=0)
    with pytest.raises(InputError, match="expected each rate once"):
        several(tmp_path, learning_rates=(0.1, 0.1))
    with pytest.raises(
        InputError, match=f"--num-devices 9: expected 1 to 8, the number of {jax.default_backend()} devices here"
    ):
        runs.train(config, sample, tmp_path / "many", writers=[TerminalWriter(console)], num_devices=9)
