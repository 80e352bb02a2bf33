"""Runs that start from the weights of another run, and runs with frozen layers."""

import json
import logging
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxcnn import cli, data, runs
from jaxcnn.errors import InputError
from jaxcnn.recipes import MODERN_RECIPES
from jaxcnn.runs import InitFrom, RunConfig, TrainedRun, initial_state, sweep
from jaxcnn.training import Checkpointer

pytestmark = pytest.mark.usefixtures("restore_log_levels")

TIMES = {"seconds", "images_per_second", "compile_seconds"}
RECIPE = replace(MODERN_RECIPES["lenet_bn_modern"], batch_size=64, learning_rate=0.001, num_epochs=2)
LAYERS = ("conv1", "conv2", "norm1", "norm2")
FROZEN = replace(RECIPE, freeze=("conv*", "norm1", "norm2"), weight_decay=0.1)


def assert_same_layers(variables, others, names=LAYERS):
    """Check that the parameters and statistics of layers are equal."""
    for collection in ("params", "batch_stats"):
        for name in set(names) & set(others[collection]):
            jax.tree.map(np.testing.assert_array_equal, variables[collection][name], others[collection][name])


@pytest.mark.usefixtures("standard_promotion")
def test_the_optimizer_starts_from_the_scaled_parameters():
    recipe = replace(MODERN_RECIPES["lenet_modern"], optimizer="prodigy", optimizer_options={}, learning_rate=1.0)
    state = initial_state(RunConfig(recipe), 64, 10, 1)
    jax.tree.map(np.testing.assert_array_equal, state.opt_state, state.tx.init(state.params))


@pytest.fixture(scope="module")
def shoes(sample):
    """Images of three classes of the sample: sandals, sneakers and ankle boots."""

    def chosen(split):
        images, labels = sample.split(split)
        of_shoes = np.isin(labels, (5, 7, 9))
        return images[of_shoes], np.searchsorted([5, 7, 9], labels[of_shoes]).astype(np.uint8)

    return data.Dataset(*chosen("train"), *chosen("test"), ("Sandal", "Sneaker", "Ankle boot"))


@pytest.fixture(scope="module")
def trained(sample, tmp_path_factory):
    """The directory of a run with ten classes and a moving average."""
    path = tmp_path_factory.mktemp("trained") / "run"
    runs.train(RunConfig(replace(RECIPE, num_epochs=1, ema_decay=0.9)), sample, path)
    return path


@pytest.fixture(scope="module")
def init_from(trained):
    return InitFrom.of(str(trained), TrainedRun.open(trained).state.eval_variables)


def outcome(path):
    """The metrics of a run except times, and the SHA-256 of its parameters."""
    lines = map(json.loads, (path / "metrics.jsonl").read_text().splitlines())
    metrics = [{key: value for key, value in line.items() if key not in TIMES} for line in lines]
    return metrics, json.loads((path / "summary.json").read_text())["params_sha256"]


def cut_back(path):
    """Remove the newest checkpoint of a run, as if it had been killed before it was written."""
    with Checkpointer(path / "checkpoints") as checkpoints:
        *_, newest = checkpoints.steps()
    shutil.rmtree(path / "checkpoints" / str(newest))


def test_a_run_starts_from_the_weights_and_a_new_head(init_from):
    config = RunConfig(FROZEN, init_from=init_from)
    own = initial_state(RunConfig(FROZEN), 100, 3, 1)
    state = initial_state(config, 100, 3, 1)
    assert_same_layers(state.variables, init_from.variables, set(state.params) - {"dense3"})
    assert_same_layers(state.variables, own.variables, {"dense3"})
    jax.tree.map(np.testing.assert_array_equal, initial_state(config, 100, 10, 1).variables, init_from.variables)


def test_frozen_layers_stay_and_the_others_train(shoes, init_from, tmp_path, caplog):
    config = RunConfig(FROZEN, init_from=init_from)
    with caplog.at_level(logging.INFO, "jaxcnn"):
        runs.train(config, shoes, tmp_path / "run")
    assert f"weights from {init_from.source}; the head (dense3) is new, for 3 classes" in caplog.messages
    state, initial = TrainedRun.open(tmp_path / "run").state, initial_state(config, 100, 3, 1)
    assert_same_layers(state.variables, init_from.variables)
    assert not np.array_equal(state.params["dense1"]["kernel"], initial.params["dense1"]["kernel"])
    assert not np.array_equal(state.batch_stats["norm3"]["mean"], initial.batch_stats["norm3"]["mean"])


def test_each_member_starts_from_the_weights_with_its_own_head(shoes, init_from, tmp_path, caplog):
    config = RunConfig(FROZEN, init_from=init_from)
    configs = sweep(config, tmp_path / "both", learning_rates=(RECIPE.learning_rate,), num_seeds=2)
    with caplog.at_level(logging.INFO, "jaxcnn"):
        runs.train_ensemble(configs, shoes, num_devices=1)
    assert sum("the head (dense3) is new" in message for message in caplog.messages) == 1
    runs.train(replace(config, seed=1), shoes, tmp_path / "single")
    assert outcome(tmp_path / "both" / "seed-1") == outcome(tmp_path / "single")
    states = [TrainedRun.open(path).state for path in configs]
    assert_same_layers(*(state.variables for state in states))
    assert not np.array_equal(*(state.params["dense3"]["kernel"] for state in states))


def test_a_run_resumes_without_the_weights(shoes, init_from, tmp_path, caplog):
    path, config = tmp_path / "run", RunConfig(FROZEN, init_from=init_from)
    runs.train(config, shoes, path)
    expected = outcome(path)
    cut_back(path)
    gone = replace(config, init_from=replace(init_from, variables=None))
    with caplog.at_level(logging.INFO, "jaxcnn"):
        runs.train(gone, shoes, path)
    assert outcome(path) == expected
    assert not any("weights from" in message for message in caplog.messages)
    with pytest.raises(InputError, match=r"--init-from .*: the run has no checkpoint yet, so it needs these weights"):
        runs.train(gone, shoes, tmp_path / "new")


def test_the_settings_are_recorded_and_compared(shoes, init_from, tmp_path):
    path, config = tmp_path / "run", RunConfig(replace(FROZEN, num_epochs=1), init_from=init_from)
    runs.train(config, shoes, path)
    recorded = runs.read_config(path)
    assert recorded["freeze"] == ["conv*", "norm1", "norm2"]
    assert recorded["init_from"] == {"source": init_from.source, "sha256": init_from.sha256}
    opened = TrainedRun.open(path).config
    assert (opened.init_from, opened.recipe.freeze) == (init_from, ("conv*", "norm1", "norm2"))
    runs.train(replace(config, init_from=replace(init_from, source="moved")), shoes, path)
    zeros = InitFrom.of("zeros", jax.tree.map(np.zeros_like, init_from.variables))
    for other, difference in (
        (replace(config, init_from=None), f"--init-from with SHA-256 {init_from.sha256} there and None here"),
        (replace(config, init_from=zeros), f"SHA-256 {init_from.sha256} there and "),
        (
            replace(config, recipe=replace(config.recipe, freeze=("conv1",))),
            r"--freeze \['conv\*', 'norm1', 'norm2'\] there and \['c",
        ),
    ):
        with pytest.raises(InputError, match=difference):
            runs.train(other, shoes, path)


def test_records_without_these_settings_are_those_of_older_runs():
    assert not {"freeze", "init_from"} & set(RunConfig(RECIPE).as_json())


def test_an_exported_file_gives_the_weights_of_the_run(trained, init_from, tmp_path):
    path = tmp_path / "network.safetensors"
    assert cli.main(["export", str(trained), "--format", "safetensors", "--output", str(path)]) == 0
    np.testing.assert_array_equal(
        load_file(path)["params/conv1/kernel"], init_from.variables["params"]["conv1"]["kernel"]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freeze": ("conw*",)}, r"--freeze 'conw\*' matches no parameter: expected some of the layers conv1"),
        ({"freeze": ("*",)}, r"--freeze '\*' matches all parameters"),
        ({"image_size": 32}, r"--init-from .*: dense1/kernel \(256, 120\): expected \(400, 120\); give weights of the"),
    ],
)
def test_unfit_settings_raise_before_anything_is_written(shoes, init_from, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        runs.train(RunConfig(replace(FROZEN, **changes), init_from=init_from), shoes, tmp_path / "run")
    assert not (tmp_path / "run").exists()
