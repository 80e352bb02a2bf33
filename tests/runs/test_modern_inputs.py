"""Runs with mixed, normalized and weighted training examples."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from jaxcnn import cli, runs
from jaxcnn.data import Augmentation, CutMix, Mixup, Normalization, OneOf, balanced_class_weights
from jaxcnn.errors import InputError
from jaxcnn.recipes import RECIPES
from jaxcnn.runs import RunConfig, TrainedRun, initial_state, sweep
from jaxcnn.training import Checkpointer

pytestmark = pytest.mark.usefixtures("restore_log_levels")

CONFIG = RunConfig(
    replace(
        RECIPES["lenet_bn"], num_epochs=2, batch_size=64, learning_rate=0.01, mixing=OneOf(Mixup(0.2), CutMix(1.0)),
        normalization="train", class_weights="balanced",
    ),
    val_fraction=0.2,
)  # fmt: skip


@pytest.fixture(scope="module")
def mixed(sample, tmp_path_factory):
    """The directory of a run, and the results of its epochs."""
    path = tmp_path_factory.mktemp("mixed") / "run"
    return path, runs.train(CONFIG, sample, path)


def test_the_run_records_the_numbers_of_its_training_split(sample, mixed):
    recipe = TrainedRun.open(mixed[0]).config.recipe
    train = sample.hold_out(0.2).train
    assert recipe.normalization == Normalization.of_images(train)
    assert recipe.class_weights == balanced_class_weights(train.read_labels(), 10)
    assert recipe.mixing == CONFIG.recipe.mixing
    assert "mixup 0.2 or CutMix 1, images normalized by mean 0." in recipe.describe_training()


@pytest.mark.parametrize("setting", ["mixing", "normalization", "class_weights"])
def test_each_setting_changes_training(sample, mixed, tmp_path, setting):
    without = replace(CONFIG, recipe=replace(CONFIG.recipe, **{setting: None}))
    other = runs.train(without, sample, tmp_path / "run")
    assert other[-1].train_loss != mixed[1][-1].train_loss
    assert setting not in json.loads((tmp_path / "run" / "config.json").read_text())


def test_predictions_and_exports_normalize_their_images(sample, mixed, tmp_path):
    run = TrainedRun.open(mixed[0])
    mean, std = run.config.recipe.normalization.mean[0], run.config.recipe.normalization.std[0]
    images = (sample.test_images[:8].astype(np.float32) / 255 - mean) / std
    plain = np.asarray(run.config.recipe.model.apply(run.state.variables, images, train=False))
    expected = np.exp(plain) / np.exp(plain).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(run.predict(sample.test_images[:8]), expected, atol=1e-5)
    path = tmp_path / "lenet.safetensors"
    assert cli.main(["export", str(mixed[0]), "--format", "safetensors", "--output", str(path)]) == 0
    assert "params/conv1/kernel" in load_file(path)
    with safe_open(path, "np") as file:
        preprocessing = json.loads(file.metadata()["preprocessing"])
    assert preprocessing["normalized_inside"] == {"mean": [mean], "std": [std]}
    assert run.evaluate(sample).accuracy == pytest.approx(mixed[1][-1].test_accuracy)


def test_unresolved_settings_raise(sample):
    with pytest.raises(InputError, match=r"normalization 'train': call recipe\.resolve first"):
        initial_state(CONFIG, 512, 10, 1)
    with pytest.raises(InputError, match="class_weights 'balanced': call resolve first"):
        CONFIG.recipe.fit_options()
    resolved = replace(CONFIG, recipe=CONFIG.recipe.resolve(sample.train, 10, 1))
    assert initial_state(resolved, 512, 10, 1).apply_fn is not CONFIG.recipe.model.apply
    assert len(resolved.recipe.fit_options().class_weights) == 10


def test_a_resumed_run_has_the_same_numbers(sample, mixed, tmp_path):
    runs.train(CONFIG, sample, tmp_path / "run")
    with Checkpointer(tmp_path / "run" / "checkpoints") as checkpoints:
        newest = checkpoints.steps()[-1]
    shutil.rmtree(tmp_path / "run" / "checkpoints" / str(newest))  # as if the process had been killed before
    resumed = runs.train(CONFIG, sample, tmp_path / "run")
    assert [epoch.metrics for epoch in resumed] == [epoch.metrics for epoch in mixed[1]]


def test_members_and_streams_have_the_numbers_of_the_single_run(sample, mixed, tmp_path):
    configs = sweep(CONFIG, tmp_path, learning_rates=(0.01, 0.001), num_seeds=1)
    first, _ = runs.train_ensemble(configs, sample)
    assert [epoch.metrics for epoch in first] == [epoch.metrics for epoch in mixed[1]]
    streamed = runs.train(CONFIG, sample.streamed(), tmp_path / "streamed")
    assert [epoch.metrics for epoch in streamed] == [epoch.metrics for epoch in mixed[1]]


def test_other_numbers_are_not_resumed(sample, mixed):
    other = replace(CONFIG.recipe, normalization=Normalization((0.5,), (0.5,)))
    with pytest.raises(InputError, match="normalization mean"):
        runs.train(replace(CONFIG, recipe=other), sample, mixed[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augmentation": Augmentation(shift=28)}, "--augment: shift 28: expected less than 28 pixels"),
        ({"class_weights": [1.0, 2.0]}, "--class-weights: 2 class weights for 10 classes: expected one for each"),
        (
            {"normalization": Normalization((0.5,) * 3, (0.5,) * 3)},
            "normalization of 3 channels, but the images have 1",
        ),
    ],
)
def test_numbers_for_other_data_are_refused(sample, tmp_path, changes, message):
    config = replace(CONFIG, recipe=replace(CONFIG.recipe, **changes))
    with pytest.raises(InputError, match=message):
        runs.train(config, sample, tmp_path / "run")
    assert not (tmp_path / "run").exists()
