"""The weights of --init-from: a run, an exported file, or a file of PyTorch's tensors."""

import json
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest
from networks import drawn_variables
from safetensors.numpy import save_file

from jaxcnn import cli, models, runs
from jaxcnn.cli.weights import find_weights
from jaxcnn.interop import variables_to_torch
from jaxcnn.recipes import get_recipe

pytestmark = pytest.mark.usefixtures("restore_log_levels")

LENET_BN = get_recipe("lenet_bn")


@pytest.fixture
def exported(finished_run, tmp_path):
    """The weights of the finished run in a safetensors file."""
    path = tmp_path / "lenet.safetensors"
    assert cli.main(["export", str(finished_run), "--format", "safetensors", "--output", str(path)]) == 0
    return path


def test_a_run_and_its_exported_file_give_the_same_weights(finished_run, exported):
    run, file = (find_weights(path, LENET_BN, ()) for path in (finished_run, exported))
    assert run.sha256 == file.sha256 == runs.params_sha256(runs.TrainedRun.open(finished_run).state.variables)
    assert (run.source, file.source) == (str(finished_run), str(exported))


def test_another_normalization_is_logged(finished_run, caplog):
    find_weights(finished_run, replace(LENET_BN, normalization="train"), ())
    assert caplog.messages == [f"{finished_run} was trained without --normalize, but this run is trained with it"]


def test_a_file_of_torch_tensors_gives_the_weights(tmp_path):
    model = models.LeNet(num_classes=3)
    variables = drawn_variables(model, (1, 28, 28, 1))
    save_file(variables_to_torch(model, variables, (28, 28, 1)), tmp_path / "a.safetensors")
    found = find_weights(tmp_path / "a.safetensors", replace(get_recipe("lenet"), model=models.LeNet()), ())
    jax.tree.map(np.testing.assert_array_equal, found.variables, variables)


def test_train_resumes_when_the_file_is_changed_or_gone(sample_requests, exported, tmp_path, capsys, caplog):
    command = ["train", "lenet_bn", "--limit", "64", "--epochs", "1", "--freeze", "conv*,norm1", "--init-from"]
    run = tmp_path / "run"
    assert cli.main([*command, str(exported), "--workdir", str(run)]) == 0
    assert f"weights from {exported}" in caplog.messages
    sha256 = json.loads((run / "config.json").read_text())["init_from"]["sha256"]
    exported.write_bytes(b"other weights")
    longer = [*command, str(exported), "--workdir", str(run)]
    longer[longer.index("--epochs") + 1] = "2"
    assert cli.main(longer) == 0
    exported.unlink()
    caplog.clear()
    assert cli.main(longer) == 0
    assert "already finished after 2 of 2 epochs" in capsys.readouterr().out
    assert caplog.messages == []
    assert json.loads((run / "config.json").read_text())["init_from"]["sha256"] == sha256
    assert cli.main([*command, str(exported), "--workdir", str(tmp_path / "other")]) == 2
    assert "does not exist: expected the directory of a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        "--freeze conw*",
        "--freeze *",
        "--init-from nowhere",
        "--init-from empty",
        "--init-from notes.txt",
        "--init-from run",
    ],
)
def test_unusable_weights_and_patterns_raise(sample_requests, finished_run, tmp_path, assert_refused, arguments):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("not weights")
    shutil.copytree(finished_run, tmp_path / "run")  # of LeNet with batch norm, not of LeNet
    assert_refused(["train", "lenet", *arguments.split()])
