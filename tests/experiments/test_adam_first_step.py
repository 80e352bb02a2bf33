"""The measurement of Adam's first step."""

import runpy
from pathlib import Path

import numpy as np
import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "experiments" / "adam_first_step.py"))


def test_gradients_below_epsilon_are_counted():
    gradients = np.array([0, 0, 5e-9, -2e-8, 3e-7, -1e-3])
    assert SCRIPT["small_shares"](gradients) == {"after": 1 / 4, "before": 3 / 4, "zero": 1 / 3}


@pytest.mark.usefixtures("standard_promotion")
def test_the_gradients_of_all_parameters_are_measured(sample):
    gradients = SCRIPT["first_gradients"]("lenet", 0, sample, 32)
    assert gradients.shape == (44_426,)
    assert SCRIPT["small_shares"](gradients)["before"] < 0.01


def test_the_table_has_the_range_of_the_seeds():
    shares = {"lenet": [{"after": 0.1, "before": 0.2}, {"after": 0.3, "before": 0.6}]}
    table = SCRIPT["as_markdown"]({"shares": shares, "batch": 256, "device": "cpu", "versions": {"jax": "1"}})
    assert "| `lenet` | 10.0% to 30.0% | 20.0% to 60.0% |" in table
    assert "The first 256 training images; 2 seeds, smallest to largest; cpu; jax 1." in table
