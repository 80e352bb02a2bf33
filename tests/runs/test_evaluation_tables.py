import numpy as np

from jaxcnn.runs import Evaluation, class_rows, class_title, pair_rows


def test_up_to_twenty_classes_are_shown_or_else_ten():
    for count, shown in ((20, 20), (21, 10)):
        evaluation = Evaluation(np.eye(count), np.arange(count))
        names = [f"class {number}" for number in range(count)]
        assert len(class_rows(evaluation, names)) == 1 + shown + 1
    assert class_title(21) == "the 10 of 21 classes with the lowest F1"


def test_at_most_ten_pairs_are_shown():
    evaluation = Evaluation(np.eye(30), np.roll(np.arange(30), 1))
    headings, *rows = pair_rows(evaluation, [f"class {number}" for number in range(30)])
    assert headings == ("true class", "predicted class", "images")
    assert len(rows) == 10
