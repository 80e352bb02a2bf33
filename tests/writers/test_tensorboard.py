import resource
import sys
from dataclasses import replace
from unittest.mock import Mock

import pytest

from jaxcnn import InputError, runs
from jaxcnn.recipes import RECIPES
from jaxcnn.writers import TensorBoardWriter

RECIPE = replace(RECIPES["lenet"], num_epochs=2, batch_size=200)


@pytest.mark.filterwarnings("default")  # TensorBoard's own warnings
def test_curves_of_chunks_and_epochs_are_written(sample, tmp_path):
    pytest.importorskip("tensorboardX")
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (*_, last) = runs.train(runs.RunConfig(RECIPE), sample, tmp_path, writers=[TensorBoardWriter()])
    events = accumulators.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    tags = set(events.Tags()["scalars"])
    assert {"chunk/loss", "chunk/learning_rate", "chunk/gradient_norm", "epoch/test_top_5_accuracy"} <= tags
    points = events.Scalars("epoch/test_accuracy")
    assert [point.step for point in points] == [3, 6]
    assert points[-1].value == pytest.approx(last.test_accuracy)


def test_a_full_disk_ends_the_run_with_one_error(without_type_checks, tmp_path, capfd):
    pytest.importorskip("tensorboardX")
    writer, run = TensorBoardWriter(), Mock(path=tmp_path, step=0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        writer.on_start([run], None)
        with pytest.raises(OSError, match="File too large"):
            writer._write(run, "chunk", {"loss": 1.0, "accuracy": 0.5, "rate": 0.1, "norm": 1.0}, 1)
        with pytest.raises(OSError, match="File too large"):
            writer.on_end([run])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.on_end([run])  # there is space again
    assert capfd.readouterr().err == ""


def test_without_tensorboardx_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"pip install 'jaxcnn\[tensorboard\]'"):
        TensorBoardWriter()
