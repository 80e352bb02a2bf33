import pytest
from drawings import drawn_texts

from jaxcnn.recipes import RECIPES
from jaxcnn.report import figures
from jaxcnn.training import EpochResult


def epochs_of(count):
    metrics = {"train_loss": 0.5, "train_accuracy": 0.7, "test_loss": 0.4, "test_accuracy": 0.8}
    return [EpochResult(number, metrics, 1.0, 1.0, 0.0) for number in range(1, count + 1)]


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_epochs_are_integers(count):
    recipe = RECIPES["lenet"].without_reference()
    texts = drawn_texts(figures.draw_curves(recipe, [epochs_of(count)], metric="accuracy"))
    ticks = texts[: texts.index("epoch")]
    assert ticks
    assert all(1 <= int(tick) <= count for tick in ticks)


def test_the_figures_of_the_book_are_drawn_in_full():
    texts = drawn_texts(figures.draw_curves(RECIPES["lenet"], [epochs_of(2)], metric="loss"))
    assert "training, the book" in texts
    assert "5" in texts[: texts.index("epoch")]
