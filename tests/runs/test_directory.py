import json
import os

import numpy as np
import pytest

from jaxcnn.errors import InputError, RunError
from jaxcnn.runs import RunDirectory, params_sha256


def test_the_directory_is_made_with_its_parents(tmp_path):
    with RunDirectory(tmp_path / "a" / "b", {}) as directory:
        assert directory.path.is_dir()


def test_one_process_at_a_time_uses_the_directory(tmp_path):
    with (
        RunDirectory(tmp_path, {}),
        pytest.raises(InputError, match="in use by another process: wait until it ends, or"),
    ):
        RunDirectory(tmp_path, {})
    with RunDirectory(tmp_path, {}):
        pass


def test_a_directory_with_other_files_is_not_changed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="contains other files"):
        RunDirectory(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_logs_and_hidden_files_may_be_there(tmp_path):
    for name in (".DS_Store", ".git", "nohup.out", "slurm-123.out", "job.err", "train.o4711", "run.log"):
        (tmp_path / name).touch()
    (tmp_path / "lost+found").mkdir()
    with RunDirectory(tmp_path, {}):
        assert (tmp_path / "config.json").exists()


def test_checkpoints_that_cannot_be_read_are_refused(tmp_path, monkeypatch):
    with RunDirectory(tmp_path, {}) as directory:
        directory.checkpoints.mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path != directory.checkpoints)
    with pytest.raises(InputError, match="checkpoints cannot be read or written: change its permissions"):
        RunDirectory(tmp_path, {})


def test_a_file_instead_of_a_directory_raises(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="cannot be used as the directory of a run"):
        RunDirectory(tmp_path / "run", {})


def test_files_are_complete(tmp_path):
    with RunDirectory(tmp_path / "run", {"seed": 1}) as directory:
        directory.write_metrics([{"epoch": 1}])
        directory.write_metrics([{"epoch": 1}, {"epoch": 2}])
        directory.write_summary({"status": "finished"})
    assert json.loads((directory.path / "config.json").read_text()) == {"format": 2, "seed": 1}
    assert (directory.path / "metrics.jsonl").read_text() == '{"epoch": 1}\n{"epoch": 2}\n'
    assert {path.name for path in directory.path.iterdir()} == {"config.json", "metrics.jsonl", "summary.json"}


def test_the_same_run_can_use_its_directory_again(tmp_path):
    with RunDirectory(tmp_path, {"seed": 1}) as directory:
        directory.write_metrics([{"epoch": 1}])
        directory.write_summary({"status": "interrupted"})
    with RunDirectory(tmp_path, {"seed": 1}) as again:
        again.remove_summary()
        again.write_metrics([])
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_an_incomplete_config_is_replaced(tmp_path):
    (tmp_path / ".config.json").write_text('{"format"')
    with RunDirectory(tmp_path, {"seed": 1}):
        assert json.loads((tmp_path / "config.json").read_text())["seed"] == 1


@pytest.mark.parametrize(
    ("what", "content"),
    [
        ("another run", b'{"format": 2, "seed": 2, "rate": 0.1}'),
        ("a newer jaxcnn", b'{"format": 3, "seed": 1}'),
        ("an older jaxcnn", b'{"format": 1, "seed": 1}'),
        ("another program", b'{"seed": 1}'),
        ("another program, as a list", b"[]"),
        ("a run, truncated", b"{"),
        ("another encoding", b"\x00\xff"),
    ],
)
def test_another_config_is_not_changed(tmp_path, record_fault, what, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(InputError) as raised:
        RunDirectory(tmp_path, {"seed": 1})
    assert (tmp_path / "config.json").read_bytes() == content
    record_fault(f"a directory with the config of {what}", "refused and not changed", str(raised.value))


def test_an_unwritable_file_ends_the_run(tmp_path):
    with RunDirectory(tmp_path, {}) as directory:
        (tmp_path / ".summary.json").mkdir()
        with pytest.raises(RunError, match=r"summary.json cannot be written \(Is a directory\)"):
            directory.write_summary({})


def variables(kernel, mean=0.0):
    return {
        "params": {"dense": {"kernel": np.full((2, 3), kernel)}},
        "batch_stats": {"norm": {"mean": np.full(2, mean)}},
    }


def test_params_sha256_covers_values_names_types_and_shapes():
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


def test_other_classes_than_the_run_s_are_named(tmp_path):
    def claim(*names):
        with RunDirectory(tmp_path, {"data": {"class_names": list(names)}}):
            pass

    claim("cat", "cafe\u0301")
    claim("cat", "caf\u00e9")  # the same name in another Unicode form
    with pytest.raises(
        InputError, match=r"other settings: classes \('cat' only in the run; 'dog' only in the data\); give"
    ):
        claim("dog", "caf\u00e9")
