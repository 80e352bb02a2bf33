"""A run of two processes on this machine, connected over its loopback."""

import json
import signal
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from processes import RECIPE, final_message, start

from jaxcnn.data import load_dataset
from jaxcnn.errors import InputError, LostProcessError
from jaxcnn.platform import raise_lost_process
from jaxcnn.training import Checkpointer, create_train_state

SHARED = replace(RECIPE, num_epochs=2, batch_size=100)  # 5 whole steps of 512 images, and one of 12


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def port():
    return other_port()


def other_port():
    """A port without a listener."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def begin(sample, workdir, compiled, port, *, recipe, count=2, **options):
    """Processes that train a run together."""
    hosts = [(port, number, count) for number in range(count)]
    return [start(sample, workdir, compiled, recipe=recipe, host=host, **options) for host in hosts]


def end(processes):
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def lines_of(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def assert_same_to_rounding(workdir, expected):
    """Metrics and newest state of two runs agree. After two epochs the logits of many images are nearly equal, so
    rounding can change the class of one in a hundred.
    """
    for line, other in zip(lines_of(workdir), lines_of(expected), strict=True):
        for name in ("train_loss", "test_loss"):
            assert line[name] == pytest.approx(other[name], rel=1e-4), name
        for name in ("train_accuracy", "test_accuracy"):
            assert line[name] == pytest.approx(other[name], abs=0.01), name
    one, other = (state_of(path) for path in (workdir, expected))
    assert int(one.step) == int(other.step)
    dense = [np.asarray(state.params["dense"]["kernel"]) for state in (one, other)]
    np.testing.assert_allclose(*dense, rtol=0, atol=1e-4)


def state_of(workdir):
    state = create_train_state(RECIPE.model, RECIPE.make_optimizer(), jax.random.key(0), (28, 28, 1))
    with Checkpointer(workdir / "checkpoints") as checkpoints:
        return checkpoints.restore(state)


@pytest.fixture(scope="module")
def by_itself(sample, compiled, tmp_path_factory):
    """The run of one process."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    assert end([start(sample, workdir, compiled, recipe=SHARED)]) == [0]
    return workdir


def test_two_processes_equal_one_up_to_rounding(sample, compiled, by_itself, tmp_path, port):
    """Statistics cover the whole batch; dropout and order are the same."""
    workdir = tmp_path / "run"
    assert end(begin(sample, workdir, compiled, port, recipe=SHARED)) == [0, 0]
    assert_same_to_rounding(workdir, by_itself)
    assert json.loads((workdir / "summary.json").read_text())["device"].endswith("2 devices")


def test_two_processes_stream_the_same_images(prepared_once, compiled, tmp_path, port):
    """Each reads the blocks of both, and can access the directory."""
    stream = partial(load_dataset, f"tfds:{prepared_once / 'fashion_mnist'}", max_bytes=0)
    assert end([start(stream, tmp_path / "alone", compiled, recipe=SHARED)]) == [0]
    assert end(begin(stream, tmp_path / "run", compiled, port, recipe=SHARED)) == [0, 0]
    assert_same_to_rounding(tmp_path / "run", tmp_path / "alone")


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_process_ends_the_other_and_the_run_resumes(
    sample, compiled, by_itself, tmp_path, port, record_fault, killed
):
    """It is killed during a save, when processes wait for each other. One or two processes resume the run."""
    workdir = tmp_path / "run"
    processes = begin(sample, workdir, compiled, port, recipe=SHARED, every=1)
    while not has_checkpoint(workdir):
        assert all(process.is_alive() for process in processes)
        time.sleep(0.001)
    processes[killed].kill()
    began = time.monotonic()
    codes = end(processes)
    seconds = time.monotonic() - began
    assert seconds < 60
    assert codes[killed] == -signal.SIGKILL
    left = 1 - killed
    if codes[left] == 1:
        assert "another process of the job is gone or cannot be reached" in final_message(workdir, (port, left, 2))
    else:  # JAX ends a process at once if the first one, its coordinator, is gone
        assert (left, codes[left]) == (1, -signal.SIGABRT)
    count = 2 - killed
    assert end(begin(sample, workdir, compiled, other_port(), recipe=SHARED, count=count)) == [0] * count
    assert_same_to_rounding(workdir, by_itself)
    record_fault(
        f"of two processes the {('first', 'second')[killed]} killed by SIGKILL",
        "the other ends within a minute; the same command resumes with "
        f"{('two processes', 'one')[killed]}, and gives the run of one process up to rounding",
    )


def has_checkpoint(workdir):
    return any(path.name.isdigit() for path in workdir.glob("checkpoints/*"))


def test_other_errors_are_not_lost_processes(monkeypatch):
    """XLA raises two kinds of errors, one of which has other uses."""

    def raised(error, kind):
        with pytest.raises(kind) as caught, ExitStack() as opened, raise_lost_process(opened):
            raise error
        return str(caught.value)

    monkeypatch.setattr(jax, "process_count", lambda: 2)
    for kind in (ValueError, jax.errors.JaxRuntimeError):
        assert "another process of the job is gone or cannot be reached (UNKNOWN: Gloo failed)" in raised(
            kind("UNKNOWN: Gloo failed"), LostProcessError
        )
    assert raised(InputError("--seed -1"), InputError) == "--seed -1"
