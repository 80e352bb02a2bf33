from drawings import drawn_texts

from jaxcnn.report.figures import ComparedRuns, draw_comparison


def test_each_group_has_a_row_in_order():
    rows = [ComparedRuns("LeNet", [0.75, 0.76], 0.76), ComparedRuns("ResNet", [0.9], None)]
    texts = drawn_texts(draw_comparison(rows, "test accuracy"))
    assert texts.index("LeNet") < texts.index("ResNet")
    assert {"a seed", "mean", "the book", "test accuracy"} <= set(texts)


def test_the_book_is_named_only_with_a_figure():
    assert "the book" not in drawn_texts(draw_comparison([ComparedRuns("LeNet", [0.75], None)], "test accuracy"))
