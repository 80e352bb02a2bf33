import errno
import json
import os
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.recipes import RECIPES
from jaxcnn.runs import TrainedRun, open_runs, params_sha256


def contents(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_opening_a_run_does_not_change_it(finished_run):
    before = contents(finished_run)
    run = TrainedRun.open(finished_run)
    summary = json.loads((finished_run / "summary.json").read_text())
    assert (run.config.recipe.name, run.config.recipe.num_epochs, int(run.state.step)) == ("lenet_bn", 2, 16)
    assert [epoch.test_accuracy for epoch in run.epochs][-1] == summary["last_epoch"]["test_accuracy"]
    assert params_sha256(run.state.variables) == summary["params_sha256"]
    assert contents(finished_run) == before


def test_predictions_use_the_moving_statistics(finished_run, sample):
    run = TrainedRun.open(finished_run)
    probabilities = run.predict(sample.test_images[:5])
    logits = RECIPES["lenet_bn"].model.apply(
        run.state.variables, jnp.asarray(sample.test_images[:5], jnp.float32) / 255, train=False
    )
    np.testing.assert_allclose(probabilities, jax.nn.softmax(logits), rtol=1e-4)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_a_run_of_the_first_format_is_opened(finished_run, sample, tmp_path):
    """Its config has only the recipe settings that the command line can change."""
    path = shutil.copytree(finished_run, tmp_path / "run")
    config = json.loads((path / "config.json").read_text())
    names = (
        "recipe", "image_size", "batch_size", "learning_rate", "num_epochs", "seed", "dtype", "matmul_precision",
        "limit", "deterministic",
    )  # fmt: skip
    (path / "config.json").write_text(json.dumps({"format": 1} | {name: config[name] for name in names}))
    expected, run = TrainedRun.open(finished_run), TrainedRun.open(path)
    assert run.config == expected.config
    np.testing.assert_array_equal(run.predict(sample.test_images[:5]), expected.predict(sample.test_images[:5]))


def test_a_run_is_opened_with_other_random_generators(finished_run, sample):
    expected = TrainedRun.open(finished_run).predict(sample.test_images[:5])
    with jax.default_prng_impl("rbg"):
        run = TrainedRun.open(finished_run)
    np.testing.assert_array_equal(run.predict(sample.test_images[:5]), expected)


def test_unreadable_checkpoints_are_not_called_missing(finished_run, monkeypatch, record_fault):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(type(finished_run), "iterdir", refuse)
    with pytest.raises(InputError) as raised:
        TrainedRun.open(finished_run)
    line = str(raised.value).replace(str(finished_run), "DIR")
    assert line == "DIR/checkpoints cannot be read (Permission denied): change its permissions"
    record_fault("prediction with a run whose checkpoints may not be read", "an `InputError` of one line", line)


def test_a_run_without_a_checkpoint_is_left_out(finished_run, tmp_path, caplog):
    shutil.copytree(finished_run, tmp_path / "good")
    shutil.copytree(finished_run, tmp_path / "killed in its first save")
    shutil.rmtree(tmp_path / "killed in its first save" / "checkpoints")
    assert [run.path.name for run in open_runs(tmp_path)] == ["good"]
    assert "killed in its first save has no finished epoch and is left out" in caplog.text


def change_config(path, **changes):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))


BROKEN = {
    "that does not exist": shutil.rmtree,
    "without a config": lambda path: (path / "config.json").unlink(),
    "of a newer jaxcnn": lambda path: change_config(path, format=99),
    "of an unknown recipe": lambda path: change_config(path, format=1, recipe="lennet"),
    "with an unknown network": lambda path: change_config(path, model={"class": "jaxcnn.models:LeNet6"}),
    "with an image size that is a string": lambda path: change_config(path, image_size="large"),
    "without a checkpoint": lambda path: shutil.rmtree(path / "checkpoints"),
    "with the checkpoints of another network": lambda path: change_config(path, model={"class": "jaxcnn.models:LeNet"}),
}


# After a failed read, Orbax abandons the other reads of the checkpoint.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("what", BROKEN)
def test_an_unusable_run_raises(finished_run, tmp_path, record_fault, what):
    path = shutil.copytree(finished_run, tmp_path / "run")
    BROKEN[what](path)
    with pytest.raises(InputError) as raised:
        TrainedRun.open(path)
    assert str(path) in str(raised.value)
    record_fault(f"prediction with a run {what}", "an `InputError` of one line", str(raised.value))
