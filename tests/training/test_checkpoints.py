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


def test_nothing_to_restore_is_said(start, tmp_path):
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(FileNotFoundError, match="no checkpoint"):
        checkpoints.restore(start)


def test_a_relative_directory_will_do(start, tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    with Checkpoints(Path("states")) as checkpoints:
        checkpoints.save(start)
    assert (tmp_path / "states" / "0").is_dir()
