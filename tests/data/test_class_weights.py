import numpy as np
import pytest

from jaxcnn.data import balanced_class_weights


def test_each_class_has_the_same_total_weight():
    labels = np.array([0] * 5 + [1] * 20 + [3] * 2)
    weights = np.array(balanced_class_weights(labels, 5))
    totals = np.bincount(labels, weights[labels], minlength=5)
    np.testing.assert_allclose(totals, [9, 9, 0, 9, 0])
    assert weights[labels].mean() == pytest.approx(1)


def test_balanced_labels_have_weights_of_one():
    assert balanced_class_weights(np.arange(6, dtype=np.uint8) % 3, 3) == (1.0, 1.0, 1.0)
