import io
import json

import numpy as np
import pytest

from jaxcnn import cli
from jaxcnn.cli.evaluation import show_evaluation
from jaxcnn.runs import Evaluation
from jaxcnn.writers import PlainConsole


def shown(names, width, *, predicted, labels):
    probabilities = np.eye(len(names), dtype=np.float32)[predicted]
    console = PlainConsole(file=io.StringIO(), width=width)
    show_evaluation("LeNet after 1 epoch", Evaluation(probabilities, np.asarray(labels)), names, console)
    return console.file.getvalue()


def test_classes_and_the_most_frequent_confusions_are_shown():
    text = shown(["cat", "dog", "bird"], 80, predicted=[0, 1, 1, 0, 1, 2], labels=[0, 0, 0, 1, 1, 2])
    assert "on 6 test images: accuracy 0.5000, loss" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["class", "precision", "recall", "F1", "images"] in rows
    for row in (
        ["cat", "0.500", "0.333", "0.400", "3"], ["dog", "0.333", "0.500", "0.400", "2"],
        ["bird", "1.000", "1.000", "1.000", "1"], ["mean", "0.611", "0.611", "0.600", "6"],
    ):  # fmt: skip
        assert row in rows
    assert rows.index(["cat", "dog", "2"]) + 1 == rows.index(["dog", "cat", "1"])


def test_no_confusions_are_no_table():
    assert "confusions" not in shown(["cat", "dog"], 80, predicted=[0, 1], labels=[0, 1])


def test_metrics_without_a_value_are_dashes():
    rows = [line.split() for line in shown(["cat", "dog", "bird"], 80, predicted=[0, 1], labels=[0, 2]).splitlines()]
    assert ["dog", "0.000", "-", "0.000", "0"] in rows
    assert ["bird", "-", "0.000", "0.000", "1"] in rows


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("count", [2, 10, 20])
@pytest.mark.parametrize("name", ["{}", "[red] shirt {}", "a class whose name is rather long, like a sentence {}"])
def test_an_evaluation_of_any_width_shows_every_number(width, count, name):
    names = [name.format(number) for number in range(count)]
    labels = np.arange(3 * count) % count
    text = shown(names, width, predicted=np.where(labels == 1, 0, labels), labels=labels)
    words = " ".join(text.split())
    assert max(map(len, text.splitlines())) <= width
    for number, each in enumerate(names):
        precision, recall, f1 = {0: ("0.500", "1.000", "0.667"), 1: ("-", "0.000", "0.000")}.get(number, ["1.000"] * 3)
        assert (
            f"{each} {precision} {recall} {f1} 3" in words
            or f"class {each}: precision {precision}, recall {recall}, F1 {f1}, images 3" in words
        )
    assert f"{names[1]} {names[0]} 3" in words or f"{names[1]}: predicted class {names[0]}, images 3" in words


def test_only_the_worst_of_many_classes_are_shown():
    names = [f"class-{number}" for number in range(100)]
    labels = np.arange(300) % 100
    text = shown(names, 80, predicted=np.where(labels == 7, 8, labels), labels=labels)
    words = " ".join(text.split())
    assert "the 10 of 100 classes with the lowest F1" in words
    assert "class-7 - 0.000 0.000 3 class-8 0.500 1.000 0.667 3 class-0" in words
    assert "class-7 class-8 3" in words
    assert len(text.splitlines()) < 30


def test_json_names_the_split(finished_run, sample_requests, capsys, restore_log_levels):
    for split, count in (("test", 256), ("train", 512)):
        assert cli.main(["evaluate", str(finished_run), "--split", split, "--json"]) == 0
        figures = json.loads(capsys.readouterr().out)
        assert figures["split"] == split
        assert figures["num_images"] == count
        assert figures["runs"] == [{"path": str(finished_run), "recipe": "lenet_bn", "epoch": 2}]
