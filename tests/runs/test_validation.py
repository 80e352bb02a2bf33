"""Runs with a validation split: it selects, the test images do not."""

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from jaxcnn import runs
from jaxcnn.errors import InputError
from jaxcnn.recipes import RECIPES
from jaxcnn.runs import RunConfig, TrainedRun, params_sha256, sweep
from jaxcnn.runs.data_spec import data_sha256
from jaxcnn.training import Checkpointer, evaluate
from jaxcnn.writers import TerminalWriter

CONFIG = RunConfig(
    replace(RECIPES["lenet_bn"], num_epochs=4, batch_size=64, learning_rate=0.02), val_fraction=0.25
)  # fmt: skip


@pytest.fixture(scope="module")
def validated(sample, tmp_path_factory):
    """The directory of a run with a validation split, and the results of its epochs."""
    path = tmp_path_factory.mktemp("validated") / "run"
    return path, runs.train(CONFIG, sample, path)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100, force_terminal=False)


def test_a_run_trains_on_the_other_images(sample, validated, tmp_path):
    divided = sample.hold_out(0.25)
    own = runs.train(replace(CONFIG, val_fraction=None), divided, tmp_path / "own")
    assert [epoch.metrics for epoch in own] == [epoch.metrics for epoch in validated[1]]
    streamed = runs.train(CONFIG, sample.streamed(), tmp_path / "streamed")
    assert [epoch.metrics for epoch in streamed] == [epoch.metrics for epoch in validated[1]]


def test_the_limit_comes_before_the_split(sample, tmp_path):
    runs.train(replace(CONFIG, limit=100), sample, tmp_path / "run")
    run = TrainedRun.open(tmp_path / "run")
    counts = [len(run.evaluate(sample, split).labels) for split in ("train", "val", "test")]
    assert (sum(counts[:2]), counts[2]) == (100, 100)


def test_the_best_checkpoint_is_kept_and_opened(sample, validated):
    path, epochs = validated
    accuracies = [epoch.val_accuracy for epoch in epochs]
    best = int(np.argmax(accuracies))
    assert json.loads((path / "summary.json").read_text())["best_epoch"] == epochs[best].as_json()
    run = TrainedRun.open(path, best=True)
    assert len(run.epochs) == best + 1
    assert run.best_epoch.epoch == best + 1
    for split in ("val", "test"):
        assert run.evaluate(sample, split).accuracy == pytest.approx(epochs[best].metrics[f"{split}_accuracy"])
    newest = TrainedRun.open(path)
    assert newest.evaluate(sample, "val").accuracy == pytest.approx(accuracies[-1])
    assert params_sha256(newest.state.variables) == newest.summary["params_sha256"]


def test_the_images_that_were_trained_on_are_evaluated(sample, validated):
    run = TrainedRun.open(validated[0])
    expected = evaluate(run.state, *sample.hold_out(0.25).split("train")).means()["accuracy"]
    assert run.evaluate(sample, "train").accuracy == pytest.approx(float(expected))


def test_without_a_validation_split_nothing_is_the_best(finished_run, sample):
    for arguments, message in (({"best": True}, "leave --best out, or train with --val-fraction"), ({}, "--split val")):
        with pytest.raises(InputError, match=message):
            TrainedRun.open(finished_run, **arguments).evaluate(sample, "val")
    assert TrainedRun.open(finished_run).best_epoch is None
    assert "best_epoch" not in TrainedRun.open(finished_run).summary


def test_an_interrupted_run_has_no_best_epoch_yet(sample, validated, tmp_path):
    shutil.copytree(validated[0], tmp_path / "run")
    with Checkpointer(tmp_path / "run" / "checkpoints") as checkpoints:
        state, _ = checkpoints.resume(TrainedRun.open(validated[0]).state)
        checkpoints.save(state, metadata={"epochs": [], "metrics": None, "seconds": 0.0})
    with pytest.raises(InputError, match="has no finished epoch yet"):
        TrainedRun.open(tmp_path / "run", best=True)


def test_a_damaged_best_checkpoint_is_not_replaced_by_another(sample, validated, tmp_path):
    path = tmp_path / "run"
    epochs = runs.train(replace(CONFIG, recipe=replace(CONFIG.recipe, num_epochs=3, learning_rate=1e-3)), sample, path)
    with Checkpointer(path / "checkpoints") as checkpoints:
        steps = checkpoints.steps()
    best = int(np.argmax([epoch.metrics["val_accuracy"] for epoch in epochs]))
    per_epoch = steps[-1] // 3
    shutil.rmtree(path / "checkpoints" / str(per_epoch * (best + 1)) / "state")
    with pytest.raises(InputError, match="the best one, cannot be read: leave --best out"):
        TrainedRun.open(path, best=True)


def test_data_with_another_validation_split_is_refused(sample, validated):
    run = TrainedRun.open(validated[0])
    with pytest.raises(InputError, match="--split val: the data has a validation split, and the run held out another"):
        run.evaluate(sample.hold_out(0.5), "val")
    assert run.evaluate(sample.hold_out(0.5)).accuracy == run.evaluate(sample).accuracy


def test_a_validation_split_of_the_data_has_its_own_digest(sample):
    digests = data_sha256(sample)
    divided = replace(sample, val_images=sample.test_images, val_labels=sample.test_labels)
    assert data_sha256(divided) == digests | {"val": data_sha256(divided)["val"]}
    assert data_sha256(divided)["val"] == data_sha256(divided.streamed())["val"]
    assert data_sha256(divided)["val"] not in digests.values()


def test_another_split_is_another_run(sample, validated, tmp_path):
    for change, words in (({"val_seed": 1}, "--val-seed 0 there and 1 here"), ({"val_fraction": 0.5}, "0.25 there")):
        with pytest.raises(InputError, match=words):
            runs.train(replace(CONFIG, **change), sample, validated[0])


def test_the_settings_are_recorded(validated):
    config = json.loads((validated[0] / "config.json").read_text())
    assert config["val_fraction"] == 0.25
    assert not {"val_seed", "patience", "until"} & set(config)
    assert RunConfig.from_json(config).val_fraction == 0.25
    given = replace(CONFIG, val_seed=3, patience=2, until=0.9)
    assert RunConfig.from_json({"format": 2, **given.as_json()}) == given


def test_the_terminal_shows_the_validation_accuracy(sample, tmp_path, console):
    epochs = runs.train(CONFIG, sample, tmp_path / "run", writers=[TerminalWriter(console)])
    text = " ".join(console.file.getvalue().split())
    last, best = epochs[-1], max(epochs, key=lambda epoch: epoch.metrics["val_accuracy"])
    assert f"acc {last.train_accuracy:.3f}, val {last.val_accuracy:.3f}, test {last.test_accuracy:.3f}" in text
    assert "epoch loss train acc val acc test acc" in text
    words = f"best: epoch {best.epoch}, validation accuracy {best.val_accuracy:.3f}, test {best.test_accuracy:.3f}"
    assert words in text


def test_validation_chooses_the_learning_rate(sample, tmp_path, console):
    configs = sweep(CONFIG, tmp_path, learning_rates=(1e-5, 0.02), num_seeds=2)
    every = runs.train_ensemble(configs, sample, writers=[TerminalWriter(console)])
    best = [max(epoch.metrics["val_accuracy"] for epoch in epochs) for epochs in every]
    means = [np.mean(best[pair : pair + 2]) for pair in (0, 2)]
    assert means[1] > means[0]
    text = " ".join(console.file.getvalue().split())
    assert f"best: learning rate 0.02, validation accuracy {means[1]:.3f} ±" in text
    assert "rate runs loss train acc val acc test acc" in text
