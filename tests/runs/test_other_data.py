"""Runs on data other than Fashion-MNIST, with every command."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from jaxcnn import cli, data
from jaxcnn.runs import TrainedRun, load_common_data

pytestmark = pytest.mark.usefixtures("restore_log_levels")

COLORS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


@pytest.fixture
def folder(tmp_path):
    """Color images of three classes and of different sizes; the color gives the class."""
    rng = np.random.default_rng(0)
    for name, color in COLORS.items():
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(20):
            size = rng.integers(20, 50, 2)
            pixels = np.clip(np.array(color) + rng.normal(0, 40, (*size, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pictures" / name / f"{number:02}.png")
    return tmp_path / "pictures"


@pytest.fixture
def run(folder, tmp_path):
    workdir = tmp_path / "run"
    command = ["train", "lenet_bn", "--data", f"folder:{folder}", "--epochs", "8", "--batch-size", "8"]
    assert cli.main([*command, "--workdir", str(workdir)]) == 0
    return workdir


def test_a_folder_of_images_is_learned(run, folder, tmp_path, capsys):
    config = TrainedRun.open(run).config
    assert (config.data.class_names, config.data.image_shape) == (("blue", "green", "red"), (28, 28, 3))
    assert config.recipe.reference == ()

    assert cli.main(["evaluate", str(run)]) == 0
    assert "on 12 test images" in capsys.readouterr().out

    Image.new("RGB", (90, 60), COLORS["green"]).save(tmp_path / "lawn.png")
    assert cli.main(["predict", str(run), str(tmp_path / "lawn.png"), "--top", "1", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["classes"]) == ["green"]

    assert cli.main(["report", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert f"Data: folder:{folder}." in page
    assert f"--data folder:{folder}" in page
    assert cli.main(["export", str(run), "--format", "safetensors"]) == 0


def test_a_run_resumes_with_the_same_data_only(run, folder, capsys, caplog):
    def resume(place):
        return cli.main(
            [
                "train",
                "lenet_bn",
                "--epochs",
                "8",
                "--batch-size",
                "8",
                "--workdir",
                str(run),
                "--data",
                f"folder:{place}",
            ]
        )

    assert resume(folder) == 0
    assert "already finished" in capsys.readouterr().out

    moved = folder.rename(folder.with_name("moved"))
    assert resume(moved) == 0
    assert "already finished" in capsys.readouterr().out
    assert cli.main(["evaluate", str(run)]) == 2
    assert "if the data of the run was moved, give its place with --data" in capsys.readouterr().err
    assert cli.main(["evaluate", str(run), "--data", f"folder:{moved}"]) == 0
    assert "on 12 test images" in capsys.readouterr().out
    assert "has changed" not in caplog.text

    moved.rename(folder)
    Image.new("RGB", (28, 28), COLORS["green"]).save(folder / "red" / "01.png")
    assert resume(folder) == 2
    assert "has a run with other settings: --data with SHA-256 " in capsys.readouterr().err
    assert cli.main(["evaluate", str(run)]) == 0
    assert f"folder:{folder} has changed since the run was trained" in caplog.text
    later = run.with_name("later")
    shutil.copytree(run, later)
    config = json.loads((later / "config.json").read_text())
    config["data_sha256"]["all"] = config["data_sha256"]["sample"] = "of yesterday"
    (later / "config.json").write_text(json.dumps(config))
    load_common_data([TrainedRun.open(run), TrainedRun.open(later)])
    assert f"folder:{folder} has changed since {later} was trained" in caplog.text

    (folder / "red").rename(folder / "crimson")
    assert resume(folder) == 2
    differences = "('red' only in the run; 'crimson' only in the data)"
    assert f"has a run with other settings: classes {differences}" in capsys.readouterr().err
    assert cli.main(["evaluate", str(run), "--data", f"folder:{folder}"]) == 2
    assert "other classes than the run ('crimson' only in the data; 'red' only in the run)" in capsys.readouterr().err


def test_a_run_without_recorded_counts_is_not_resumed(run, folder, capsys):
    config = json.loads((run / "config.json").read_text())
    del config["data"]["num_examples"]
    (run / "config.json").write_text(json.dumps(config))
    assert cli.main(["evaluate", str(run)]) == 0
    command = ["train", "lenet_bn", "--epochs", "8", "--batch-size", "8", "--workdir", str(run)]
    assert cli.main([*command, "--data", f"folder:{folder}"]) == 2
    assert "has a run with other settings: data num_examples None there and [48, 12] here" in capsys.readouterr().err


def test_unreadable_data_and_a_background_raise(run, folder, capsys):
    assert cli.main(["evaluate", str(run), "--data", "tfds:nowhere"]) == 2
    assert "nowhere cannot be read" in capsys.readouterr().err
    assert cli.main(["predict", str(run), str(folder / "red"), "--background", "dark"]) == 2
    assert "--background: the network was trained on image files as they are; leave it out" in capsys.readouterr().err


def test_idx_files_keep_their_size_and_names(sample, tmp_path, capsys):
    """The files are named like MNIST's, so the classes are digits. Images are resized for the network."""
    files = tmp_path / "digits"
    files.mkdir()
    for split, name in (("train", "train"), ("test", "t10k")):
        images, labels = sample.split(split)
        data.write_idx(files / f"{name}-images-idx3-ubyte", images[:, ::2, ::2, 0])
        data.write_idx(files / f"{name}-labels-idx1-ubyte", labels)
    command = ["train", "lenet", "--data", f"idx:{files}", "--epochs", "1", "--workdir", str(tmp_path / "run")]
    assert cli.main(command) == 0
    assert TrainedRun.open(tmp_path / "run").config.data.class_names == tuple("0123456789")
    assert cli.main(["evaluate", str(tmp_path / "run")]) == 0


def test_several_seeds_learn_a_folder_together(folder, tmp_path, capsys):
    command = ["train", "lenet", "--data", f"folder:{folder}", "--epochs", "1", "--batch-size", "8", "--seeds", "2"]
    assert cli.main([*command, "--workdir", str(tmp_path / "runs")]) == 0
    assert "2 finished" in capsys.readouterr().out
    assert TrainedRun.open(tmp_path / "runs" / "seed-1").config.data.class_names == ("blue", "green", "red")
