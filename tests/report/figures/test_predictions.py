import numpy as np
import pytest
from drawings import drawn_images, drawn_texts

from jaxcnn.report import figures
from jaxcnn.runs import Evaluation

NAMES = ["$10_x^$", "[red] shirt", "<b>a & b</b>", "图像"]


def test_names_are_drawn_literally():
    svg = figures.draw_confusion(np.eye(4, dtype=int), NAMES)
    assert set(NAMES) <= set(drawn_texts(svg))


def test_a_confusion_matrix_shows_the_share_of_each_row():
    (cells,) = drawn_images(figures.draw_confusion(np.array([[3, 1], [0, 5]]), ["cat", "dog"]))
    alpha = cells[::-1, :, 3] / 255  # SVG files hold images upside down
    np.testing.assert_allclose([alpha[0, 0], alpha[0, -1], alpha[-1, 0], alpha[-1, -1]], [0.75, 0.25, 0, 1], atol=0.01)


@pytest.mark.parametrize("count", [2, 10, 20])
def test_cells_of_few_classes_have_their_counts(count):
    confusion = 1000 + np.arange(count**2).reshape(count, count)
    texts = drawn_texts(figures.draw_confusion(confusion, [f"class {number}" for number in range(count)]))
    assert set(map(str, confusion.flat)) <= set(texts)


def test_many_classes_have_no_texts_that_overlap():
    names = [f"a class with a long name {number}" for number in range(100)]
    texts = drawn_texts(figures.draw_confusion(np.full((100, 100), 7), names))
    assert "7" not in texts
    assert not any("long name" in text for text in texts)
    assert len(texts) < 30


def test_long_names_are_shortened():
    svg = figures.draw_confusion(np.eye(2, dtype=int), ["a class with a rather long name", "dog"])
    assert max(map(len, drawn_texts(svg))) <= 20


def test_reliability_is_drawn_for_any_confidence():
    sure = Evaluation(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0]))
    broken = Evaluation(np.full((2, 2), np.nan), np.array([0, 0]))
    for evaluation in (sure, broken):
        assert "the network" in drawn_texts(figures.draw_reliability(evaluation.reliability()))
