import json
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from jaxcnn import cli
from jaxcnn.cli.prediction import show_predictions
from jaxcnn.errors import ImageError
from jaxcnn.runs import TrainedRun

pytestmark = pytest.mark.usefixtures("restore_log_levels")


@pytest.fixture(scope="module")
def opened(finished_run):
    return TrainedRun.open(finished_run)


def brightness(run, images):
    """Predict the last class as probable as the image is bright; the others share the rest."""
    last = images.mean(axis=(1, 2, 3)) / 255
    others = len(run.config.data.class_names) - 1
    return np.stack([*[(1 - last) / others] * others, last], axis=1)


@pytest.fixture
def use(opened, monkeypatch):
    """A function that replaces the run of a command by one of these classes, which needs no computation."""

    def replace_run(class_names, source=None, image_shape=(28, 28, 1)):
        spec = replace(opened.config.data, class_names=class_names, source=source, image_shape=image_shape)
        run = replace(opened, config=replace(opened.config, data=spec))
        monkeypatch.setattr(TrainedRun, "open", Mock(return_value=run))
        monkeypatch.setattr(TrainedRun, "predict", brightness)
        return run

    return replace_run


@pytest.fixture
def pictures(sample, tmp_path):
    for number in range(3):
        Image.fromarray(255 - sample.test_images[number, :, :, 0]).save(tmp_path / f"{number}.png")
    return tmp_path


def test_the_background_of_images_is_found(finished_run, pictures, sample, capsys):
    assert cli.main(["predict", str(finished_run), str(pictures), "--top", "10", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [str(pictures / f"{number}.png") for number in range(3)]
    expected = TrainedRun.open(finished_run).predict(sample.test_images[:3])
    for line, row in zip(lines, expected, strict=True):
        found = [line["classes"][name] for name in sample.class_names]
        np.testing.assert_allclose(found, row, rtol=1e-5)
        assert list(line["classes"].values()) == sorted(found, reverse=True)


@pytest.mark.parametrize(("class_names", "count"), [(("a", "b"), 2), (tuple("abcde"), 3)])
def test_three_classes_are_shown_or_all_if_fewer(use, pictures, capsys, class_names, count):
    use(class_names)
    assert cli.main(["predict", "run", str(pictures / "0.png"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["classes"]) == count
    assert cli.main(["predict", "run", str(pictures / "0.png")]) == 0
    shown = capsys.readouterr().out
    assert "LeNet with batch norm after 2 epochs" in shown
    assert shown.count(" 0.") == shown.count("top ") == count


def test_shares_that_are_nan_are_null_in_json(use, pictures, monkeypatch, capsys):
    use(("a", "b"))
    monkeypatch.setattr(TrainedRun, "predict", lambda _, images: np.full((len(images), 2), np.nan, np.float32))
    assert cli.main(["predict", "run", str(pictures / "0.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == {"a": None, "b": None}


@pytest.mark.parametrize("image_shape", [(20, 30, 1), (8, 8, 4)])
def test_image_files_for_a_run_on_other_arrays_are_refused(use, pictures, capsys, image_shape):
    use(("a", "b"), "arrays", image_shape)
    assert cli.main(["predict", "run", str(pictures / "0.png")]) == 2
    height, width, channels = image_shape
    assert capsys.readouterr().err.startswith(
        f"jaxcnn: the run was trained on images of {height}x{width} with {channels} channels, and image files"
    )


@pytest.mark.parametrize("top", ["0", "3"])
def test_a_top_that_is_not_a_number_of_classes_raises(use, assert_refused, top):
    use(("a", "b"))
    assert_refused(["predict", "run", "0.png", "--top", top], f"`jaxcnn predict RUN 0.png --top {top}` of two classes")


@pytest.mark.parametrize("source", [None, "folder:pets"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_all_good_images_are_predicted_before_an_error(
    use, pictures, monkeypatch, capsys, caplog, source, options, record_fault
):
    use(("dark", "light"), source)
    (pictures / "1.png").write_bytes(b"words")
    (pictures / "notes.heic").touch()
    (pictures / "empty").mkdir()
    monkeypatch.chdir(pictures)
    assert cli.main(["predict", "run", ".", "nowhere.png", "2.png", "empty", *options]) == 2
    out, err = capsys.readouterr()
    good = [line for line in out.splitlines() if "dark" in line]
    assert len(good) == 3
    for line, number in zip(good, (0, 2, 2), strict=True):
        assert f"{number}.png" in line
        if options:
            assert sum(json.loads(line)["classes"].values()) == pytest.approx(1)
    assert caplog.messages == [".: left out 1 .heic (not read by Pillow)"]
    record_fault("`jaxcnn predict RUN` with three unusable of six images", "all others are predicted; exit code 2", err)


def test_only_unusable_images_give_one_line(use, pictures, assert_refused, caplog):
    use(("dark", "light"))
    for number in range(3):
        (pictures / f"{number}.png").write_bytes(b"words")
    (pictures / "notes.heic").touch()
    assert_refused(["predict", "run", "."], "`jaxcnn predict RUN` with a folder of files that are not images")
    assert caplog.messages == []


def test_no_images_raise(use, assert_refused):
    use(("dark", "light"))
    assert_refused(["predict", "run"], "`jaxcnn predict RUN` with no image")


def test_a_script_gets_the_faults_of_images(use, tmp_path):
    with pytest.raises(ImageError, match="nowhere cannot be read") as raised:
        show_predictions(use(("dark", "light")), [tmp_path / "nowhere"], Console())
    assert list(raised.value.faults) == [str(tmp_path / "nowhere")]


def test_each_prediction_is_explained_by_a_picture(finished_run, pictures, capsys):
    folder = pictures / "why"
    assert cli.main(["predict", str(finished_run), str(pictures), "--explain", str(folder)]) == 0
    assert f"wrote 3 pictures to {folder}" in capsys.readouterr().out
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png", "2.png"]
    with Image.open(folder / "0.png") as picture:
        assert len(picture.convert("RGB").getcolors(100_000)) > 100  # a heat map has many colors


def test_pictures_of_files_with_the_same_name_are_numbered(finished_run, pictures):
    (pictures / "more").mkdir()
    (pictures / "0.png").rename(pictures / "more" / "1.png")
    folder = pictures.parent / "why"
    assert cli.main(["predict", str(finished_run), str(pictures), "--json", "--explain", str(folder)]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["1-1.png", "2-2.png", "3-1.png"]


def test_views_change_the_probabilities(finished_run, pictures, capsys):
    found = []
    for options in ([], ["--tta", "flip,shift:1"]):
        assert cli.main(["predict", str(finished_run), str(pictures / "0.png"), "--json", "--top", "10", *options]) == 0
        found.append(json.loads(capsys.readouterr().out)["classes"])
    assert set(found[0]) == set(found[1])
    assert found[0] != found[1]
    assert sum(found[1].values()) == pytest.approx(1, abs=1e-5)


def test_invalid_explanations_and_views_are_refused(assert_refused, finished_run, pictures):
    predict = ["predict", str(finished_run), str(pictures / "0.png")]
    views = assert_refused([*predict, "--tta", "rotate"], "`jaxcnn predict RUN IMAGE --tta rotate`")
    assert "--tta rotate: expected flip, shift:PIXELS" in views
    folder = assert_refused(
        [*predict, "--explain", str(pictures)], "`jaxcnn predict RUN IMAGE --explain` with a folder that has files",
        "jaxcnn: DIR already exists: give a new folder, or an empty one",
    )  # fmt: skip
    assert "already exists: give a new folder" in folder
