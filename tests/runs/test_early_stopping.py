import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from processes import RECIPE
from rich.console import Console

from jaxcnn import runs
from jaxcnn.errors import InputError
from jaxcnn.runs import RunConfig, sweep
from jaxcnn.runs.early_stopping import why_stop
from jaxcnn.training import Checkpointer, EpochResult
from jaxcnn.writers import TerminalWriter

TIMES = {"seconds", "images_per_second", "compile_seconds"}
CONFIG = RunConfig(replace(RECIPE, num_epochs=6, schedule="constant", learning_rate=0.01), val_fraction=0.25)


def results(*accuracies):
    others = {"train_loss": 0.5, "train_accuracy": 0.8, "test_loss": 0.4, "test_accuracy": 0.9}
    of_val = [{} if accuracy is None else {"val_accuracy": accuracy} for accuracy in accuracies]
    return [EpochResult(number, {**others, **val}, 1.0, 1.0, 0.0) for number, val in enumerate(of_val, 1)]


@pytest.mark.parametrize(
    ("accuracies", "patience", "until", "expected"),
    [
        ((), 1, 0.5, None),
        ((None, None, None), 1, 0.5, None),
        ((0.5, 0.6, 0.7), 1, 0.71, None),
        ((0.5, 0.6, 0.7), None, 0.7, "validation accuracy 0.7000 reached 0.7"),
        ((0.5, float(np.float32(0.94))), None, 0.94, "validation accuracy 0.9400 reached 0.94"),
        ((0.5, 0.6, 0.6), 1, None, "no better validation accuracy in 1 epoch"),
        ((0.5, 0.6, 0.6), 2, None, None),
        ((0.6, 0.6, 0.5), 2, None, "no better validation accuracy in 2 epochs"),
        ((0.6, 0.5, 0.7), 2, None, None),
    ],
)
def test_the_rules_look_at_the_validation_accuracy(accuracies, patience, until, expected):
    assert why_stop(results(*accuracies), patience=patience, until=until) == expected


def outcome(path):
    """The summary and the metrics of a run without times, and the steps of its checkpoints."""
    summary = json.loads((path / "summary.json").read_text())
    lines = map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
    with Checkpointer(path / "checkpoints") as checkpoints:
        steps = checkpoints.steps()
    kept = {key: value for key, value in summary.items() if key not in (*TIMES, "last_epoch", "best_epoch")}
    return kept, [{key: value for key, value in line.items() if key not in TIMES} for line in lines], steps


@pytest.fixture(scope="module")
def whole(sample, tmp_path_factory):
    """The directory of a run that is not stopped early, and the results of its epochs."""
    path = tmp_path_factory.mktemp("whole") / "run"
    return path, runs.train(CONFIG, sample, path)


@pytest.fixture
def target(whole):
    """A validation accuracy that the run reaches after its first epoch and before its last."""
    accuracies = [epoch.val_accuracy for epoch in whole[1]]
    reached = next(number for number, accuracy in enumerate(accuracies) if accuracy > accuracies[0])
    assert 0 < reached < len(accuracies) - 1
    return accuracies[reached], reached + 1


def test_a_run_stops_when_it_reaches_its_target(sample, whole, target, tmp_path):
    accuracy, num_epochs = target
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    config = replace(CONFIG, until=accuracy)
    for _ in range(2):  # the second call finds a finished run
        epochs = runs.train(config, sample, tmp_path / "run", writers=[TerminalWriter(console)])
        assert [epoch.val_accuracy for epoch in epochs] == [epoch.val_accuracy for epoch in whole[1][:num_epochs]]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    reason = f"validation accuracy {accuracy:.4f} reached {accuracy:g}"
    assert (summary["status"], summary["epochs_done"], summary["stopped_early"]) == ("finished", num_epochs, reason)
    assert summary["best_epoch"]["epoch"] == num_epochs
    text = " ".join(console.file.getvalue().split())
    assert f"stopped early: {reason} finished after {num_epochs} of 6 epochs" in text
    assert f"stopped early: {reason} already finished" in text


def test_a_resumed_run_stops_at_the_same_epoch(sample, target, tmp_path):
    accuracy, _ = target
    config = replace(CONFIG, until=accuracy)
    runs.train(config, sample, tmp_path / "one")
    runs.train(config, sample, tmp_path / "two")
    with Checkpointer(tmp_path / "two" / "checkpoints") as checkpoints:
        newest = checkpoints.steps()[-1]
    shutil.rmtree(tmp_path / "two" / "checkpoints" / str(newest))  # as if the process had been killed before
    runs.train(config, sample, tmp_path / "two")
    assert outcome(tmp_path / "one") == outcome(tmp_path / "two")


def test_a_member_stops_and_the_others_continue(sample, whole, target, tmp_path):
    accuracy, num_epochs = target
    configs = sweep(replace(CONFIG, until=accuracy), tmp_path, learning_rates=(0.01, 1e-6), num_seeds=1)
    stopped, slow = runs.train_ensemble(configs, sample)
    assert [len(stopped), len(slow)] == [num_epochs, 6]
    assert [epoch.val_accuracy for epoch in stopped] == [epoch.val_accuracy for epoch in whole[1][:num_epochs]]
    statuses = [json.loads((path / "summary.json").read_text())["status"] for path in configs]
    assert statuses == ["finished", "finished"]


@pytest.mark.parametrize("rule", [{"patience": 2}, {"until": 0.9}])
def test_a_rule_without_a_validation_split_is_refused(sample, tmp_path, rule):
    ((name, value),) = rule.items()
    with pytest.raises(InputError, match=rf"--{name} {value}: there is no validation split; hold one out"):
        runs.train(replace(CONFIG, val_fraction=None, **rule), sample, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_second_validation_split_is_refused(sample, tmp_path):
    with pytest.raises(InputError, match=r"--val-fraction 0\.25: the data already has a validation split"):
        runs.train(CONFIG, sample.hold_out(0.1), tmp_path / "run")
