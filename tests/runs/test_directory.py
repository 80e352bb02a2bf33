import json

import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.runs import RunDirectory, params_sha256


def test_the_directory_is_made_with_its_parents(tmp_path):
    assert RunDirectory(tmp_path / "a" / "b").path.is_dir()


def test_a_directory_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not empty"):
        RunDirectory(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="cannot be a run's directory"):
        RunDirectory(tmp_path / "run")


def test_files_are_written_whole_and_metrics_line_by_line(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    directory.write_config({"seed": 1})
    directory.add_metrics({"epoch": 1})
    directory.add_metrics({"epoch": 2})
    directory.write_summary({"status": "finished"})
    assert json.loads((directory.path / "config.json").read_text()) == {"seed": 1}
    assert (directory.path / "metrics.jsonl").read_text() == '{"epoch": 1}\n{"epoch": 2}\n'
    assert {path.name for path in directory.path.iterdir()} == {"config.json", "metrics.jsonl", "summary.json"}


def variables(kernel, mean=0.0):
    return {
        "params": {"dense": {"kernel": np.full((2, 3), kernel)}},
        "batch_stats": {"norm": {"mean": np.full(2, mean)}},
    }


def test_the_fingerprint_is_of_values_names_types_and_shapes_and_not_of_order():
    one = params_sha256(variables(1.0))
    assert one == params_sha256(dict(reversed(variables(1.0).items())))
    changed = [
        variables(2.0),
        variables(1.0, mean=1.0),
        {"params": variables(1.0)["params"]},
        variables(np.float32(1.0)),
        {**variables(1.0), "params": {"dense": {"kernel": np.ones((3, 2))}}},
        {**variables(1.0), "params": {"other": {"kernel": np.ones((2, 3))}}},
    ]
    assert len({one, *map(params_sha256, changed)}) == 1 + len(changed)
