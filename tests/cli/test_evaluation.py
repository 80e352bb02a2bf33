import io

import numpy as np
import pytest

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
    for row in (["cat", "0.333", "3"], ["dog", "0.500", "2"], ["bird", "1.000", "1"]):
        assert row in rows
    assert rows.index(["cat", "dog", "2"]) + 1 == rows.index(["dog", "cat", "1"])


def test_no_confusions_are_no_table():
    assert "confusions" not in shown(["cat", "dog"], 80, predicted=[0, 1], labels=[0, 1])


@pytest.mark.parametrize("width", [50, 80, 120])
@pytest.mark.parametrize("count", [2, 10, 20, 100])
@pytest.mark.parametrize("name", ["{}", "[red] shirt {}", "a class whose name is rather long, like a sentence {}"])
def test_an_evaluation_of_any_width_shows_every_number(width, count, name):
    names = [name.format(number) for number in range(count)]
    labels = np.arange(3 * count) % count
    text = shown(names, width, predicted=np.where(labels == 1, 0, labels), labels=labels)
    words = " ".join(text.split())
    assert max(map(len, text.splitlines())) <= width
    for number, each in enumerate(names):
        accuracy = "0.000" if number == 1 else "1.000"
        assert f"{each} {accuracy} 3" in words or f"class {each}: accuracy {accuracy}, images 3" in words
    assert f"{names[1]} {names[0]} 3" in words or f"{names[1]}: predicted class {names[0]}, images 3" in words
