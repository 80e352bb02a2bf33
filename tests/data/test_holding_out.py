import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import seeds

from jaxcnn import InputError
from jaxcnn.data.holding_out import hold_out

fractions = st.floats(0.01, 0.99)
HELD_OUT = [2, 3, 11, 18]  # with seed 0, of 20 examples that alternate between two classes


@given(st.lists(st.integers(0, 4), min_size=10, max_size=80), fractions, seeds)
def test_each_class_gives_its_share(labels, fraction, seed):
    labels = np.array([*labels, 0, 0], np.uint8)
    kept, held_out = hold_out(labels, fraction, seed)
    np.testing.assert_array_equal(np.sort([*kept, *held_out]), np.arange(len(labels)))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(held_out) > 0).all()
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        expected = np.clip(round(fraction * count), 1, count - 1) if count > 1 else 0
        assert (labels[held_out] == label).sum() == expected


def test_the_choice_is_a_function_of_the_seed_alone():
    labels = np.arange(20) % 2
    assert hold_out(labels, 0.2, 0)[1].tolist() == HELD_OUT
    assert hold_out(labels, 0.2, 1)[1].tolist() != HELD_OUT


def test_every_example_is_held_out_by_some_seed():
    labels = np.arange(40) % 4
    assert set().union(*(hold_out(labels, 0.25, seed)[1].tolist() for seed in range(30))) == set(range(40))


@pytest.mark.parametrize(
    ("labels", "fraction", "seed", "message"),
    [
        ([0, 0], 0.0, 0, r"fraction 0\.0: expected more than 0 and less than 1"),
        ([0, 0], 1.0, 0, r"fraction 1\.0: expected more than 0 and less than 1"),
        ([0, 0], float("nan"), 0, "fraction nan"),
        ([0, 0], 0.5, -1, "seed -1: expected an integer from 0 to 4294967295"),
        ([0, 1, 2], 0.5, 0, "no class has two training examples"),
    ],
)
def test_invalid_arguments_raise(labels, fraction, seed, message):
    with pytest.raises(InputError, match=message):
        hold_out(np.array(labels), fraction, seed)
