import base64
import errno
import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pages import Elements

from jaxcnn import InputError, runs
from jaxcnn.data import Dataset
from jaxcnn.recipes import RECIPES, get_recipe
from jaxcnn.report import write_report
from jaxcnn.runs import RunConfig, TrainedRun
from jaxcnn.runs.data_spec import data_sha256


@pytest.fixture
def written(finished_run, sample, tmp_path):
    return write_report(finished_run, sample, tmp_path / "report.html").read_text()


def alternatives(text):
    """The alternative text of each figure, by the title at its start."""
    found = [attributes["alt"] for tag, attributes in Elements(text).found if tag == "img"]
    return {title: finding for title, _, finding in (alt.partition(". ") for alt in found)}


def test_a_page_is_self_contained(written):
    elements = Elements(written).found
    assert not {tag for tag, _ in elements} & {"script", "link", "iframe"}
    sources = [attributes["src"] for tag, attributes in elements if "src" in attributes]
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not re.search(r"@import|url\(", written)


def test_a_page_shows_every_figure_with_its_finding(written, finished_run):
    run, findings = TrainedRun.open(finished_run), alternatives(written)
    assert list(findings) == [
        "Loss by epoch", "Accuracy by epoch", "Top 5 accuracy by epoch", "Gradient norm by epoch", "Confusion matrix",
        "Reliability", "The most confident mistakes", "Grad-CAM of these mistakes", "First-layer kernels",
        "Feature maps", "Gamma and beta of the first batch norm", "Sample images",
    ]  # fmt: skip
    first, last = (f"{epoch.test_loss:.3f}" for epoch in run.epochs)
    assert f"from {first} to {last} in 2 epochs." in findings["Loss by epoch"]
    assert all(finding.endswith(".") for finding in findings.values())


def test_the_confusion_matrix_names_the_most_confused_pair(written, finished_run, sample):
    evaluation = TrainedRun.open(finished_run).evaluate(sample)
    (true, predicted, count) = evaluation.worst_pairs(1)[0]
    names = sample.class_names
    finding = alternatives(written)["Confusion matrix"]
    assert f"{count} of {evaluation.confusion[true].sum()} images of {names[true]} are predicted as" in finding
    assert finding.endswith(f"{names[predicted]}.")


def test_a_page_shows_metrics_training_layers_and_data(written, finished_run, sample):
    run = TrainedRun.open(finished_run)
    evaluation = run.evaluate(sample)
    for words in (
        f"{run.epochs[-1].train_loss:.4f}", "0.5887", "jaxcnn train lenet_bn --epochs 2 --batch-size 64", "orbax",
        "Adam (epsilon hat) at 0.001", "<dd>constant</dd>",
        '<th scope="row" class="word">conv1</th><td>24x24x6</td><td>156</td>',
        f"<td>{evaluation.class_metrics['f1'][0]:.3f}</td>", f"<td>{evaluation.macro_metrics['precision']:.3f}</td>",
        "28x28 pixels, 1 channel, 10 classes", f"<td>{(sample.train_labels == 3).sum()}</td>",
        data_sha256(sample)["all"],
    ):  # fmt: skip
        assert words in written


def test_every_heading_of_a_table_has_a_scope(written):
    cells = [attributes for tag, attributes in Elements(written).found if tag == "th"]
    assert {attributes.get("scope") for attributes in cells} == {"col", "row"}
    assert len(re.findall("<caption>.+</caption>", written)) == written.count("<table>")


def test_a_page_shows_the_best_epoch_by_validation(sample, tmp_path, written):
    recipe = replace(RECIPES["lenet"], num_epochs=2, batch_size=64)
    (_, last) = runs.train(RunConfig(recipe, val_fraction=0.25), sample, tmp_path / "run")
    text = write_report(tmp_path / "run", sample).read_text()
    best = TrainedRun.open(tmp_path / "run").best_epoch
    assert f"Best epoch by validation accuracy: {best.epoch}, with {best.val_accuracy:.4f}" in text
    assert f"<td>{last.val_accuracy:.3f}</td>" in text
    assert "jaxcnn train lenet --epochs 2 --batch-size 64 --val-fraction 0.25" in text
    assert "0.25 of the training images held out with seed 0" in text
    assert "val acc" not in written


def copy_run(run, to, **changes):
    """Copy a run, with changed settings."""
    shutil.copytree(run, to)
    config = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps(config | changes))


def test_runs_of_several_seeds_are_shown_together(finished_run, sample, tmp_path):
    for seed in range(2):
        copy_run(finished_run, tmp_path / f"seed-{seed}", seed=seed)
    text = write_report(tmp_path, sample).read_text()
    assert (tmp_path / "report.html").exists()
    assert text.count("<h3>Predictions</h3>") == 1
    assert "the mean of 2 seeds" in text
    assert "± 0.000 over 2 seeds" in text
    assert ">seed-1</th><td>1</td>" in text
    assert "Overview" not in text


def test_a_repeated_seed_is_counted_once_and_named(finished_run, sample, tmp_path):
    for name in ("one", "other"):
        copy_run(finished_run, tmp_path / name)
    text = write_report(tmp_path, sample).read_text()
    assert "left out of means and curves: other." in text
    assert "over 2 seeds" not in text


def test_runs_with_other_settings_are_folded_below_an_overview(finished_run, sample, tmp_path):
    copy_run(finished_run, tmp_path / "slow")
    copy_run(finished_run, tmp_path / "fast", learning_rate=0.01)
    text = write_report(tmp_path, sample).read_text()
    groups = [attributes for tag, attributes in Elements(text).found if attributes.get("class") == "group"]
    assert [("open" in attributes) for attributes in groups[:2]] == [True, False]
    assert text.index("Overview") < text.index("<summary><h2>1. LeNet with batch norm, learning rate 0.01")
    assert "Test accuracy of all runs" in alternatives(text)
    links = [attributes["href"] for tag, attributes in Elements(text).found if tag == "a"]
    assert links == ["#runs-1", "#runs-2"]
    assert all(f'id="{link[1:]}"' in text for link in links)


def test_paths_are_escaped(finished_run, sample, tmp_path):
    for name in ("one", "other"):
        copy_run(finished_run, tmp_path / "<img src=x onerror=alert(1)>" / name)
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
    assert all(f">{html.escape(name)}</th>" in text for name in names)
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


def test_only_the_worst_of_many_classes_are_listed(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28, 3), np.uint8)
    labels = np.arange(60, dtype=np.uint8) % 30
    dataset = Dataset(images, labels, images, labels, tuple(f"class {number}" for number in range(30)))
    runs.train(RunConfig(replace(RECIPES["lenet"], num_epochs=1)), dataset, tmp_path / "run")
    text = write_report(tmp_path / "run", dataset).read_text()
    assert "the 10 of 30 classes with the lowest F1" in text
    assert "Classes are numbered from 0" in text
    predictions = text[text.index("<h3>Predictions") : text.index("<h3>Network")]
    assert predictions.count("<tr>") <= 2 * 12
    assert "red, green and blue, and zero is gray" in text
