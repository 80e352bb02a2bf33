"""Runs with an exponential moving average of parameters and statistics."""

import json
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxcnn import cli, runs
from jaxcnn.errors import InputError
from jaxcnn.recipes import RECIPES
from jaxcnn.runs import RunConfig, TrainedRun, sweep
from jaxcnn.training import Checkpointer, evaluate, predict

pytestmark = pytest.mark.usefixtures("restore_log_levels")

CONFIG = RunConfig(
    replace(RECIPES["lenet_bn"], num_epochs=2, batch_size=64, learning_rate=0.01, ema_decay=0.9)
)  # fmt: skip


@pytest.fixture(scope="module")
def averaged(sample, tmp_path_factory):
    """The directory of a run with an average, and the results of its epochs."""
    path = tmp_path_factory.mktemp("averaged") / "run"
    return path, runs.train(CONFIG, sample, path)


def test_the_average_is_evaluated_and_does_not_change_training(sample, averaged, tmp_path):
    plain = runs.train(replace(CONFIG, recipe=replace(CONFIG.recipe, ema_decay=None)), sample, tmp_path / "plain")
    assert [epoch.train_loss for epoch in averaged[1]] == [epoch.train_loss for epoch in plain]
    assert averaged[1][-1].test_loss != plain[-1].test_loss
    state = TrainedRun.open(averaged[0]).state
    of_average = state.replace(**state.eval_variables, ema=None, ema_decay=None)
    assert averaged[1][-1].test_loss == pytest.approx(float(evaluate(of_average, *sample.split("test")).loss), rel=1e-6)


def test_predictions_evaluation_and_export_use_the_average(sample, averaged, tmp_path):
    run = TrainedRun.open(averaged[0])
    of_average = run.state.replace(**run.state.eval_variables, ema=None, ema_decay=None)
    np.testing.assert_array_equal(run.predict(sample.test_images), predict(of_average, sample.test_images))
    assert run.evaluate(sample).accuracy == pytest.approx(run.epochs[-1].test_accuracy)
    path = tmp_path / "network.safetensors"
    assert cli.main(["export", str(averaged[0]), "--format", "safetensors", "--output", str(path)]) == 0
    exported = load_file(path)
    np.testing.assert_array_equal(
        exported["params/conv1/kernel"], run.state.eval_variables["params"]["conv1"]["kernel"]
    )
    np.testing.assert_array_equal(
        exported["batch_stats/norm1/mean"], run.state.eval_variables["batch_stats"]["norm1"]["mean"]
    )


def test_a_resumed_run_has_the_same_average(sample, averaged, tmp_path):
    runs.train(CONFIG, sample, tmp_path / "run")
    with Checkpointer(tmp_path / "run" / "checkpoints") as checkpoints:
        newest = checkpoints.steps()[-1]
    shutil.rmtree(tmp_path / "run" / "checkpoints" / str(newest))  # as if the process had been killed before
    resumed = runs.train(CONFIG, sample, tmp_path / "run")
    assert [epoch.metrics for epoch in resumed] == [epoch.metrics for epoch in averaged[1]]
    states = (TrainedRun.open(path).state for path in (averaged[0], tmp_path / "run"))
    jax.tree.map(np.testing.assert_array_equal, *(state.ema for state in states))


def test_each_member_has_the_average_of_its_single_run(sample, averaged, tmp_path):
    configs = sweep(CONFIG, tmp_path, learning_rates=(0.01, 0.001), num_seeds=1)
    first, _ = runs.train_ensemble(configs, sample)
    assert [epoch.metrics for epoch in first] == [epoch.metrics for epoch in averaged[1]]


def test_the_decay_is_a_setting_of_the_run(sample, averaged):
    config = json.loads((averaged[0] / "config.json").read_text())
    assert config["ema_decay"] == 0.9
    assert RunConfig.from_json(config) == replace(CONFIG, recipe=RunConfig.from_json(config).recipe)
    assert "EMA 0.9" in CONFIG.recipe.describe_training()
    with pytest.raises(InputError, match=r"--ema 0\.9 there and 0\.99 here"):
        runs.train(replace(CONFIG, recipe=replace(CONFIG.recipe, ema_decay=0.99)), sample, averaged[0])
