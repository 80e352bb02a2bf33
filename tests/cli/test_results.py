import json

import pytest
from safetensors import safe_open

from jaxcnn import cli
from jaxcnn.runs import TrainedRun

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


def test_export_to_an_unknown_format_is_refused(assert_refused):
    assert_refused(["export", "run", "--format", "pickle"])
