"""Trained runs that predict together."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from jaxcnn import InputError, cli, runs
from jaxcnn.data import Views
from jaxcnn.recipes import RECIPES
from jaxcnn.runs import Ensemble, RunConfig, TrainedRun, load_common_data, open_run_or_ensemble

RECIPE = replace(RECIPES["lenet_bn"], num_epochs=2, batch_size=64, learning_rate=0.01)
CONFIG = RunConfig(RECIPE, limit=128, val_fraction=0.25)


@pytest.fixture(scope="module")
def two_runs(sample, tmp_path_factory):
    """The directory of runs with two seeds. Tests must not change it."""
    root = tmp_path_factory.mktemp("ensemble") / "runs"
    runs.train_ensemble(runs.sweep(CONFIG, root, learning_rates=[RECIPE.learning_rate], num_seeds=2), sample)
    return root


@pytest.fixture(scope="module")
def ensemble(two_runs):
    return open_run_or_ensemble(two_runs)


def changed(ensemble, **changes):
    """The ensemble with other settings of its second run."""
    first, second = ensemble.runs
    return Ensemble((first, replace(second, config=replace(second.config, **changes))))


def test_a_prediction_is_the_mean_of_those_of_the_runs(ensemble, sample):
    images = sample.test_images[:20]
    first, second = (run.predict(images).astype(np.float64) for run in ensemble.runs)
    assert np.abs(first - second).max() > 0.01
    np.testing.assert_allclose(ensemble.predict(images), (first + second) / 2, rtol=1e-6)


@pytest.mark.parametrize("split", ["val", "test"])
def test_an_evaluation_is_that_of_the_mean(ensemble, sample, split):
    found = ensemble.evaluate(sample, split)
    images, labels = CONFIG.hold_out(sample.limit(CONFIG.limit)).split(split)
    np.testing.assert_allclose(found.probabilities, ensemble.predict(images), rtol=1e-5)
    np.testing.assert_array_equal(found.labels, labels)


def test_the_loss_is_at_most_the_mean_loss_of_the_runs(ensemble, sample):
    first, second = (run.evaluate(sample).loss for run in ensemble.runs)
    assert ensemble.evaluate(sample).loss < (first + second) / 2


def test_best_opens_the_best_checkpoint_of_each_run(two_runs, ensemble):
    best = open_run_or_ensemble(two_runs, best=True)
    assert [len(run.epochs) for run in best.runs] == [run.best_epoch.epoch for run in ensemble.runs]


def test_the_directory_of_one_run_is_that_run(two_runs):
    assert isinstance(open_run_or_ensemble(two_runs / "seed-0"), TrainedRun)


@pytest.mark.usefixtures("restore_log_levels", "sample_requests")
def test_the_commands_give_the_number_of_runs(two_runs, ensemble, sample, tmp_path, capsys):
    title = "LeNet with batch norm after 2 epochs, mean of 2 runs"
    assert cli.main(["evaluate", str(two_runs)]) == 0
    accuracy = ensemble.evaluate(sample).accuracy
    assert f"{title}, on 128 test images: accuracy {accuracy:.4f}" in " ".join(capsys.readouterr().out.split())
    Image.fromarray(sample.test_images[0, :, :, 0]).save(tmp_path / "image.png")
    assert cli.main(["predict", str(two_runs), str(tmp_path / "image.png")]) == 0
    assert title in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("changes", "split"), [({"limit": 100}, "test"), ({"val_seed": 1}, "val"), ({"val_fraction": 0.5}, "train")]
)
def test_runs_with_other_images_in_a_split_raise(ensemble, sample, record_fault, changes, split):
    with pytest.raises(InputError, match=f"--split {split}: the runs have different --") as raised:
        changed(ensemble, **changes).evaluate(sample, split)
    (name,) = changes
    record_fault(
        f"evaluation of runs with different `{name}`, `--split {split}`",
        "an `InputError` of one line",
        str(raised.value),
    )


def test_the_test_split_ignores_the_validation_split(ensemble, sample):
    assert len(changed(ensemble, val_seed=1).evaluate(sample).labels) == 128


@pytest.mark.parametrize(
    ("name", "change"), [("classes", {"class_names": tuple("0123456789")}), ("images", {"image_shape": (8, 8, 1)})]
)
def test_runs_of_other_data_raise(two_runs, ensemble, record_fault, name, change):
    with pytest.raises(InputError, match="give runs on the same data") as raised:
        changed(ensemble, data=replace(CONFIG.data, **change))
    line = str(raised.value).replace(str(two_runs), "DIR")
    record_fault(f"prediction with runs of different {name}", "an `InputError` of one line", line)


def test_no_runs_raise():
    with pytest.raises(InputError, match="expected one or more"):
        Ensemble(())


def test_pictures_of_several_runs_are_refused(two_runs, assert_refused):
    error = assert_refused(
        ["predict", str(two_runs), "image.png", "--explain", "why"], "`jaxcnn predict RUNS IMAGE --explain why`"
    )
    assert "--explain why: expected the directory of one run, not of several" in error


def test_an_ensemble_averages_over_views_too(two_runs, sample):
    views = Views(flip=True)
    ensemble = open_run_or_ensemble(two_runs, views=views)
    expected = np.mean([replace(run, views=views).predict(sample.test_images[:4]) for run in ensemble.runs], axis=0)
    np.testing.assert_allclose(ensemble.predict(sample.test_images[:4]), expected, rtol=1e-6)
    assert "mean of 2 views" in ensemble.title


def test_runs_on_different_data_are_not_evaluated_together(ensemble):
    first, second = ensemble.runs
    moved = replace(second.config.data, source="folder:/moved")
    other = replace(moved, sha256={"sample": "0" * 16, "all": None})
    with pytest.raises(InputError, match=r"trained on different data .*: folder:/moved"):
        load_common_data([first, replace(second, config=replace(second.config, data=other))])
    assert first.config.data.is_same_as(replace(moved, source="tfds:/moved"))
