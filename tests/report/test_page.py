import base64
import errno
import html
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pages import Elements
from PIL import Image

from jaxcnn import InputError, runs
from jaxcnn.data import Dataset, parse_augmentation
from jaxcnn.recipes import RECIPES, get_recipe
from jaxcnn.report import page, write_report
from jaxcnn.report.activations import find_activations
from jaxcnn.runs import RunConfig, TrainedRun
from jaxcnn.runs.config import DataSpec

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def written(finished_run, sample, tmp_path):
    return write_report(finished_run, sample, tmp_path / "report.html").read_text()


def test_a_page_is_self_contained(written):
    elements = Elements(written).found
    assert not {tag for tag, _ in elements} & {"script", "link", "iframe"}
    sources = [attributes["src"] for tag, attributes in elements if "src" in attributes]
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"@import|url\(", written)


def test_a_page_shows_every_metric_and_figure(written, finished_run, sample):
    run = TrainedRun.open(finished_run)
    alternatives = " ".join(attributes.get("alt", "") for _, attributes in Elements(written).found)
    for title in (
        "Loss by epoch", "Accuracy by epoch", "Top 5 accuracy by epoch", "Gradient norm by epoch", "Confusion",
        "The most confident mistakes", "First-layer kernels", "Feature maps",
        "Gamma and beta of the first batch norm",
    ):  # fmt: skip
        assert title in alternatives
    for words in (
        f"{run.epochs[-1].train_loss:.4f}",
        "0.5887",
        "jaxcnn train lenet_bn --epochs 2 --batch-size 64",
        "orbax",
    ):
        assert words in written


def test_a_page_shows_the_best_epoch_by_validation(sample, tmp_path, written):
    recipe = replace(RECIPES["lenet"], num_epochs=2, batch_size=64)
    (_, last) = runs.train(RunConfig(recipe, val_fraction=0.25), sample, tmp_path / "run")
    text = write_report(tmp_path / "run", sample).read_text()
    best = TrainedRun.open(tmp_path / "run").best_epoch
    assert f"Best epoch by validation accuracy: {best.epoch}, with {best.val_accuracy:.4f}" in text
    assert f"<td>{last.val_accuracy:.3f}</td>" in text
    assert "jaxcnn train lenet --epochs 2 --batch-size 64 --val-fraction 0.25" in text
    assert "val acc" not in written


def test_runs_of_several_seeds_are_shown_together(finished_run, sample, tmp_path):
    for name in ("one", "other"):
        shutil.copytree(finished_run, tmp_path / name)
    text = write_report(tmp_path, sample).read_text()
    assert (tmp_path / "report.html").exists()
    assert text.count("<section>") == 1
    assert "the mean of 2 runs" in text
    assert "<td>other</td>" in text


def test_paths_are_escaped(finished_run, sample, tmp_path):
    for name in ("one", "other"):
        shutil.copytree(finished_run, tmp_path / "<img src=x onerror=alert(1)>" / name)
    text = write_report(tmp_path, sample).read_text()
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;/one" in text


@pytest.fixture(scope="module")
def color_run(tmp_path_factory):
    """A run on color images of classes whose names are text in some language for markup, and its data."""
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 3), np.uint8)
    labels = np.arange(8, dtype=np.uint8) % 4
    dataset = Dataset(images, labels, images, labels, ("$10_x^$", "[red] shirt", "<b>a & b</b>", "bell\a\udcff"))
    folder = tmp_path_factory.mktemp("color")
    (folder / "quick.py").write_text(
        "from dataclasses import replace\n"
        "from processes import RECIPE\n"
        "recipe = replace(RECIPE, num_epochs=1, batch_size=8, title='Quick [v2] $x^$')\n"
    )
    runs.train(RunConfig(get_recipe(f"{folder / 'quick.py'}:recipe")), dataset, folder / "run")
    return folder / "run", dataset


def test_any_names_and_colors_are_drawn(color_run, tmp_path):
    run, dataset = color_run
    text = write_report(run, dataset, tmp_path / "page.html").read_text(encoding="utf-8")
    sources = [attributes["src"] for tag, attributes in Elements(text).found if tag == "img"]
    drawings = [ElementTree.fromstring(base64.b64decode(source.partition(",")[2])) for source in sources]
    drawn = {element.text for drawing in drawings for element in drawing.iter() if element.tag.endswith("}text")}
    names = {"$10_x^$", "[red] shirt", "<b>a & b</b>", "bell\ufffd\ufffd"}
    assert names <= drawn
    assert all(f"<td>{html.escape(name)}</td>" in text for name in names)
    assert "Quick [v2] $x^$" in text
    assert "after 1 epoch with batch size 8" in text


def test_a_full_disk_keeps_the_old_page(color_run, tmp_path, monkeypatch):
    (run, dataset), page_file = color_run, tmp_path / "page.html"
    page_file.write_text("the old page")

    def fail(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(InputError, match=r"page.html cannot be written \(No space left on device\): give another"):
        write_report(run, dataset, page_file)
    assert page_file.read_text() == "the old page"
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_directory_without_runs_raises(sample, tmp_path, record_fault):
    with pytest.raises(InputError) as raised:
        write_report(tmp_path, sample)
    record_fault("a report on a directory without runs", "an `InputError`, nothing written", str(raised.value))


def test_the_command_has_all_changed_settings(finished_run):
    config = RunConfig(
        replace(RECIPES["nin"], learning_rate=0.1, accumulate=8), seed=2, limit=8, dtype="bfloat16", deterministic=True
    )
    expected = "jaxcnn train nin --learning-rate 0.1 --accumulate 8 --seed 2 --limit 8 --dtype bfloat16 --deterministic"
    assert page.command_of(config) == expected


def test_the_command_names_the_average_the_augmentation_and_the_validation():
    recipe = replace(
        get_recipe("resnet_modern"), ema_decay=0.999, augmentation=parse_augmentation("flip,erase:0.5")[0],
        optimizer="sgd", optimizer_options={"momentum": 0.9, "nesterov": True}, clip_norm=1.0,
    )  # fmt: skip
    config = RunConfig(recipe, val_fraction=0.1, val_seed=2, patience=3, until=0.94)
    assert page.command_of(config) == (
        "jaxcnn train resnet_modern --optimizer sgd:momentum=0.9,nesterov=true --clip-norm 1.0 --ema 0.999 "
        "--augment flip,erase:0.5 --val-fraction 0.1 --val-seed 2 --patience 3 --until 0.94"
    )


def test_the_command_is_quoted_for_a_shell(finished_run):
    data = DataSpec("folder:/my pictures/$HOME", ("a",), (28, 28, 1), None)
    config = RunConfig(RECIPES["nin"], data=data)
    assert page.command_of(config) == "jaxcnn train nin --data 'folder:/my pictures/$HOME'"


def test_activations_are_in_the_order_of_the_network(finished_run, sample):
    run = TrainedRun.open(finished_run)
    activations = find_activations(run, sample.test_images[:1])
    assert list(activations) == [
        "conv1", "norm1", "conv2", "norm2", "flatten", "dense1", "norm3", "dense2", "norm4", "dense3"
    ]  # fmt: skip
    logits = run.predict(sample.test_images[:1])
    np.testing.assert_array_equal(activations["dense3"].argmax(), logits.argmax())


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("width", [500, 1200])
def test_a_page_fits_the_browser_window(finished_run, sample, tmp_path, width):
    path = write_report(finished_run, sample, tmp_path / "report.html")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars",
        f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},3000",
        f"--screenshot={tmp_path / 'page.png'}", path.as_uri(),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(tmp_path / "page.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[1] == width
    assert {(0, 114, 178), (213, 94, 0)} <= {
        tuple(map(int, color)) for color in np.unique(pixels.reshape(-1, 3), axis=0)
    }
    assert (pixels[:, -8:] == 255).all()  # the right margin is empty
