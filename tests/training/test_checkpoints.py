import resource
import shutil
import tempfile
from contextlib import nullcontext

import jax
import numpy as np
import optax
import pytest

from jaxcnn.models import LeNet
from jaxcnn.training import Checkpointer, create_train_state, fit


@pytest.fixture
def start():
    return create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))


def test_a_state_is_restored_bit_for_bit(sample, start, tmp_path):
    (result,) = fit(start, sample, num_epochs=1, batch_size=256)
    with Checkpointer(tmp_path) as checkpoints:
        checkpoints.save(result.state)
        restored = checkpoints.restore(start)
    assert restored.key == result.state.key
    for part in ("step", "params", "batch_stats", "opt_state"):
        jax.tree.map(np.testing.assert_array_equal, getattr(result.state, part), getattr(restored, part))


def test_max_to_keep_keeps_the_newest(start, tmp_path):
    with Checkpointer(tmp_path, max_to_keep=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(start.replace(step=start.step + step))
        assert int(checkpoints.restore(start).step) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"2", "3"}


def test_the_best_is_kept_in_addition(start, tmp_path):
    with Checkpointer(tmp_path, max_to_keep=2) as checkpoints:
        for step, accuracy in ((1, 0.5), (2, 0.7), (3, None), (4, 0.6), (5, None), (6, None)):
            checkpoints.save(start.replace(step=start.step + step), accuracy=accuracy)
    assert {path.name for path in tmp_path.iterdir()} == {"2", "5", "6"}


def test_metadata_is_restored_with_its_state(start, tmp_path):
    metadata = {"epochs": [{"train_loss": 0.1 + 0.2}], "metrics": None}
    with Checkpointer(tmp_path) as checkpoints:
        checkpoints.save(start, metadata=metadata)
        checkpoints.save(start.replace(step=start.step + 1))
        assert checkpoints.resume(start)[1] == {}
    with Checkpointer(tmp_path) as checkpoints:
        checkpoints.save(start, metadata=metadata)
        assert checkpoints.resume(start)[1] == metadata


def test_saving_replaces_later_checkpoints(start, tmp_path):
    with Checkpointer(tmp_path) as checkpoints:
        for step in (5, 6, 4):
            checkpoints.save(start.replace(step=start.step + step))
        assert checkpoints.steps() == [4]


def test_incomplete_checkpoints_are_ignored_and_removed(start, tmp_path):
    with Checkpointer(tmp_path) as checkpoints:
        checkpoints.save(start)
    shutil.copytree(tmp_path / "0", tmp_path / "7.orbax-checkpoint-tmp")
    with Checkpointer(tmp_path) as checkpoints:
        assert checkpoints.steps() == [0]
        assert checkpoints.interrupted == [7]
    assert (tmp_path / "7.orbax-checkpoint-tmp").is_dir()
    with Checkpointer(tmp_path, cleanup_tmp=True) as checkpoints:
        assert checkpoints.interrupted == [7]
        checkpoints.save(start.replace(step=start.step + 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


# After a failed read, Orbax abandons the other reads of the checkpoint.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_checkpoint_with_a_damaged_file_is_skipped(start, tmp_path, caplog):
    """Each file is cut in half; the checkpoint is skipped, or the file was not needed."""
    with Checkpointer(tmp_path / "whole") as checkpoints:
        checkpoints.save(start)
        checkpoints.save(start.replace(step=start.step + 1))
    files = [path for path in (tmp_path / "whole" / "1").rglob("*") if path.is_file() and path.stat().st_size]
    skipped = 0
    for number, file in enumerate(files):
        damaged = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", damaged)
        with (damaged / file.relative_to(tmp_path / "whole")).open("r+b") as opened:
            opened.truncate(file.stat().st_size // 2)
        with Checkpointer(damaged) as checkpoints:
            restored = checkpoints.restore(start)
        skipped += int(restored.step) == 0
        jax.tree.map(np.testing.assert_array_equal, restored.params, start.params)
    assert skipped >= 3
    assert [record.getMessage()[:42] for record in caplog.records] == [
        "checkpoint 1 cannot be read and is skipped"
    ] * skipped


def test_restore_without_a_checkpoint_raises(start, tmp_path):
    with Checkpointer(tmp_path) as checkpoints, pytest.raises(FileNotFoundError, match="no checkpoint"):
        checkpoints.restore(start)


def test_the_directory_can_be_relative_or_a_string(start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Checkpointer("states") as checkpoints:
        checkpoints.save(start)
    assert (tmp_path / "states" / "0").is_dir()


@pytest.mark.parametrize(
    "name",
    ["r[1]*?/gs:/s3:/x.__lock/**{a,b}%20#|~$HOME\n\\'\"\udcff é/-a", "/".join(["d" * 200] * 18)],
    ids=["every character", "long"],
)
def test_every_name_of_a_directory_can_be_used(start, tmp_path, monkeypatch, name):
    (tmp_path / "links").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "links"))
    with Checkpointer(tmp_path / "states" / name) as checkpoints:
        checkpoints.save(start)
    with Checkpointer(tmp_path / "states" / name) as checkpoints:
        assert int(checkpoints.restore(start).step) == 0
        assert checkpoints.directory == tmp_path / "states" / name
    assert (tmp_path / "states" / name / "0" / "state" / "manifest.ocdbt").exists()
    assert list((tmp_path / "links").iterdir()) == []
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_before_two_dots_is_followed(start, tmp_path):
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    with Checkpointer(tmp_path / "link" / ".." / "states") as checkpoints:
        checkpoints.save(start)
    assert (tmp_path / "far" / "states" / "0").is_dir()
    assert not (tmp_path / "states").exists()


def test_the_first_checkpoint_is_read_back(start, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxcnn.training.checkpoints.plain_path", nullcontext)
    with Checkpointer(tmp_path / "r[1]") as checkpoints, pytest.raises(OSError, match=r"0 in .* cannot be read back"):
        checkpoints.save(start)


def test_a_failed_write_is_raised_and_nothing_is_logged(start, tmp_path, caplog, capfd):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Checkpointer(tmp_path) as checkpoints:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
        try:
            with pytest.raises(OSError, match=r"no checkpoint can be written in .*: File too large"):
                checkpoints.save(start)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caplog.messages == []
    assert capfd.readouterr().err == ""


def test_other_files_are_ignored(start, tmp_path):
    for name in (".DS_Store", "notes", "x.orbax-checkpoint-tmp-1"):
        (tmp_path / name).touch()
    with Checkpointer(tmp_path) as checkpoints:
        assert (checkpoints.steps(), checkpoints.interrupted) == ([], [])


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"best": null, "history": 1}'])
def test_a_checkpoint_without_its_metadata_is_skipped(start, tmp_path, content):
    with Checkpointer(tmp_path) as checkpoints:
        checkpoints.save(start)
        (tmp_path / "0" / "history" / "metadata").write_text(content)
        with pytest.raises(FileNotFoundError, match="no checkpoint that can be read"):
            checkpoints.resume(start)
