"""Runs on images that are streamed from disk: started, interrupted, resumed and used."""

import json
import os
import shutil
import signal
import time
from functools import partial

import pytest
from modes import equal_on_devices
from processes import start

from jaxcnn import cli, data
from jaxcnn.cli import training
from jaxcnn.runs import opened, session

pytestmark = [
    pytest.mark.usefixtures("restore_log_levels"),
    pytest.mark.filterwarnings("default"),  # warnings inside TFDS are not errors
]

METRICS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@pytest.fixture
def prepared(prepared_once, tmp_path):
    return shutil.copytree(prepared_once / "fashion_mnist", tmp_path / "prepared")


@pytest.fixture
def train(prepared, tmp_path):
    """Return a function that trains on the prepared data set and returns the exit code."""

    def call(name, *options):
        command = ["train", "lenet_bn", "--data", f"tfds:{prepared}", "--epochs", "2", "--batch-size", "64"]
        return cli.main([*command, "--workdir", str(tmp_path / name), *options])

    return call


def outcome(workdir):
    """All results of a run except times."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    sha256 = json.loads((workdir / "summary.json").read_text())["params_sha256"]
    return sha256, [[line[name] for name in METRICS] for line in lines]


def test_a_streamed_run_equals_the_resident_one(train, prepared, tmp_path, capsys, monkeypatch):
    assert train("resident") == 0
    assert ", streamed," not in " ".join(capsys.readouterr().out.split())
    assert train("streamed", "--stream") == 0
    assert "LeNet with batch norm on 512 images of 28x28, streamed, 2 epochs" in " ".join(
        capsys.readouterr().out.split()
    )
    assert outcome(tmp_path / "streamed") == outcome(tmp_path / "resident")
    streamed, resident = (
        json.loads((tmp_path / name / "config.json").read_text()) for name in ("streamed", "resident")
    )
    assert streamed["data_sha256"].pop("all") is None
    assert resident["data_sha256"].pop("all") is not None
    assert streamed == resident

    outputs = []
    for budget in (10**9, 0):
        monkeypatch.setattr(opened, "memory_budget", lambda budget=budget: budget)
        assert cli.main(["evaluate", str(tmp_path / "streamed")]) == 0
        assert cli.main(["report", str(tmp_path / "streamed")]) == 0
        outputs.append((capsys.readouterr().out, (tmp_path / "streamed" / "report.html").read_text()))
    assert outputs[0] == outputs[1]


def test_images_that_do_not_fit_in_memory_are_streamed(train, capsys, monkeypatch):
    monkeypatch.setattr(training, "memory_budget", lambda _: (512 + 256) * 28 * 28 - 1)
    assert train("run") == 0
    assert ", streamed," in " ".join(capsys.readouterr().out.split())


@equal_on_devices
def test_several_seeds_are_streamed_together(train, tmp_path):
    """Each has its own order; sequential members match single runs bit for bit."""
    assert train("seeds", "--seeds", "2", "--stream") == 0
    assert train("alone", "--seed", "1") == 0
    assert outcome(tmp_path / "seeds" / "seed-1") == outcome(tmp_path / "alone")


def test_a_killed_streamed_run_resumes_bit_for_bit(prepared_once, tmp_path, record_fault):
    """It resumes from a checkpoint of any step, with streamed or resident images."""
    load = partial(data.load_dataset, f"tfds:{prepared_once / 'fashion_mnist'}")
    stream = partial(load, max_bytes=0)
    compiled = tmp_path / "compiled"
    whole = start(load, tmp_path / "whole", compiled)
    whole.join()
    for number, then in ((signal.SIGKILL, stream), (signal.SIGTERM, stream), (signal.SIGKILL, load)):
        workdir = tmp_path / f"run-{number.name}-{then is stream}"
        process = start(stream, workdir, compiled, every=1)
        while process.is_alive() and len(list(workdir.glob("checkpoints/[0-9]*"))) < 2:
            time.sleep(0.001)
        os.kill(process.pid, number)
        process.join()
        assert process.exitcode == (-number if number == signal.SIGKILL else 128 + number)
        process = start(then, workdir, compiled)
        process.join()
        assert outcome(workdir) == outcome(tmp_path / "whole")
    record_fault(
        "a streamed run that is killed or stopped within an epoch",
        "the same command resumes it, with the parameters and metrics of an uninterrupted run with resident images",
    )


def test_a_damaged_record_ends_a_run_that_can_be_resumed(train, prepared, tmp_path, capsys, monkeypatch, record_fault):
    (file,) = prepared.glob("3.0.1/*test.array_record*")
    whole = file.read_bytes()
    file.write_bytes(bytes(len(whole)))
    assert train("run", "--stream") == 2
    assert not (tmp_path / "run").exists()  # the sample of the examples cannot be read
    capsys.readouterr()
    with monkeypatch.context() as no_sample:
        no_sample.setattr(session, "data_sha256", lambda _: {})
        assert train("run", "--stream") == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "cannot be read as images with labels prepared by TFDS" in line
    assert "solve this, and the same command with the same directory resumes it" in line
    file.write_bytes(whole)
    assert train("run", "--stream") == 0
    assert train("resident") == 0
    assert outcome(tmp_path / "run") == outcome(tmp_path / "resident")
    record_fault(
        "records that are damaged under a run that streams them",
        "one line, exit code 2; resumes when they are repaired",
        line.partition(" (")[0],
    )


def test_a_changed_data_set_is_not_resumed(train, prepared, tmp_path, capsys):
    assert train("run", "--stream", "--limit", "500") == 0
    info = prepared / "3.0.1" / "dataset_info.json"
    info.write_text(info.read_text().replace('"512"', '"499"'))
    assert train("run", "--stream", "--limit", "500") == 2
    assert (
        "has a run with other settings: data num_examples [500, 256] there and [499, 256] here"
        in capsys.readouterr().err
    )
