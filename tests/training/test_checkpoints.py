import shutil

import jax
import numpy as np
import optax
import pytest

from jaxcnn.models import LeNet
from jaxcnn.training import Checkpoints, create_train_state, fit


@pytest.fixture
def start():
    return create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))


def test_a_state_comes_back_as_it_was(sample, start, tmp_path):
    (result,) = fit(start, sample, num_epochs=1, batch_size=256)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(result.state)
        restored = checkpoints.restore(start)
    assert restored.key == result.state.key
    for part in ("step", "params", "batch_stats", "opt_state"):
        jax.tree.map(np.testing.assert_array_equal, getattr(result.state, part), getattr(restored, part))


def test_the_newest_are_kept_and_the_newest_comes_back(start, tmp_path):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(start.replace(step=start.step + step))
        assert int(checkpoints.restore(start).step) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"2", "3"}


def test_the_best_is_kept_besides(start, tmp_path):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for step, accuracy in ((1, 0.5), (2, 0.7), (3, None), (4, 0.6), (5, None), (6, None)):
            checkpoints.save(start.replace(step=start.step + step), accuracy=accuracy)
    assert {path.name for path in tmp_path.iterdir()} == {"2", "5", "6"}


def test_a_history_comes_back_with_its_state(start, tmp_path):
    history = {"epochs": [{"train_loss": 0.1 + 0.2}], "metrics": None}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(start, history=history)
        checkpoints.save(start.replace(step=start.step + 1))
        assert checkpoints.resume(start)[1] == {}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(start, history=history)
        assert checkpoints.resume(start)[1] == history


def test_a_state_that_is_saved_takes_the_place_of_later_ones(start, tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        for step in (5, 6, 4):
            checkpoints.save(start.replace(step=start.step + step))
        assert checkpoints.steps() == [4]


def test_what_was_cut_short_is_never_restored_and_can_be_cleared_away(start, tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(start)
    shutil.copytree(tmp_path / "0", tmp_path / "7.orbax-checkpoint-tmp")
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.steps() == [0]
        assert checkpoints.clear_cut_short() == [7]
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


# Where a read fails, Orbax leaves others behind that it had begun.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_each_file_of_a_checkpoint_may_be_damaged(start, tmp_path, caplog):
    """Cut in half or removed, it is skipped, or was not needed."""
    with Checkpoints(tmp_path / "whole") as checkpoints:
        checkpoints.save(start)
        checkpoints.save(start.replace(step=start.step + 1))
    files = [path for path in (tmp_path / "whole" / "1").rglob("*") if path.is_file() and path.stat().st_size]
    skipped = 0
    for number, file in enumerate(files):
        damaged = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", damaged)
        with (damaged / file.relative_to(tmp_path / "whole")).open("r+b") as opened:
            opened.truncate(file.stat().st_size // 2)
        with Checkpoints(damaged) as checkpoints:
            restored = checkpoints.restore(start)
        skipped += int(restored.step) == 0
        jax.tree.map(np.testing.assert_array_equal, restored.params, start.params)
    assert skipped >= 3
    assert caplog.text.count("checkpoint 1 cannot be read and is skipped") == skipped


def test_nothing_to_restore_is_said(start, tmp_path):
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(FileNotFoundError, match="no checkpoint"):
        checkpoints.restore(start)


def test_a_relative_directory_will_do(start, tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    with Checkpoints(Path("states")) as checkpoints:
        checkpoints.save(start)
    assert (tmp_path / "states" / "0").is_dir()
