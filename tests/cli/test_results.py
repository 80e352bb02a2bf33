import json
import shutil

import pytest
from safetensors import safe_open

from jaxcnn import cli
from jaxcnn.runs import TrainedRun
from jaxcnn.training import Checkpointer

pytestmark = pytest.mark.usefixtures("restore_log_levels")


def test_export_records_what_the_run_knows(finished_run, sample, tmp_path, capsys):
    path = tmp_path / "network.safetensors"
    assert cli.main(["export", str(finished_run), "--format", "safetensors", "--output", str(path)]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {path}, 0.2 MB; ")
    with safe_open(path, "numpy") as file:
        found = file.metadata()
    assert found["network"] == "LeNet with batch norm"
    assert json.loads(found["class_names"]) == list(sample.class_names)
    assert json.loads(found["test_accuracy"]) == TrainedRun.open(finished_run).epochs[-1].test_accuracy
    assert json.loads(found["steps"]) == 16


def test_a_checkpoint_within_an_epoch_has_no_test_accuracy(finished_run, tmp_path):
    run = shutil.copytree(finished_run, tmp_path / "run")
    opened = TrainedRun.open(run)
    assert not opened.within_epoch
    epochs = [epoch.as_json() for epoch in opened.epochs]
    with Checkpointer(run / "checkpoints") as checkpoints:
        sums = {"sums": {"loss": [1.5]}, "counts": {"loss": [32]}}
        checkpoints.save(
            opened.state.replace(step=opened.state.step + 1),
            metadata={"epochs": epochs, "metrics": sums, "seconds": 1.0},
        )
    assert TrainedRun.open(run).within_epoch
    path = tmp_path / "network.safetensors"
    assert cli.main(["export", str(run), "--format", "safetensors", "--output", str(path)]) == 0
    with safe_open(path, "numpy") as file:
        assert json.loads(file.metadata()["steps"]) == 17
        assert "test_accuracy" not in file.metadata()


def test_export_to_an_unknown_format_is_refused(assert_refused):
    assert_refused(["export", "run", "--format", "pickle"])
