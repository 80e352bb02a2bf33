import jax
import numpy as np
import optax
import pytest

from jaxcnn.models import LeNet
from jaxcnn.training import EpochResult, create_train_state

METRICS = {"train_loss": 1.9, "train_accuracy": 0.3, "test_loss": 1.1, "test_accuracy": 0.6}


def test_a_record_holds_all_but_the_state():
    state = create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), (28, 28, 1))
    result = EpochResult(1, METRICS, 4.7, 15000.0, 2.0, state=state)
    record = result.as_json()
    assert record == {"epoch": 1, **METRICS, "seconds": 4.7, "images_per_second": 15000.0, "compile_seconds": 2.0}
    assert EpochResult.from_json(record).as_json() == record
    assert EpochResult.from_json(record).state is None


def test_metrics_are_ordered_training_first_and_standard_ones_first():
    metrics = dict.fromkeys(("test_margin", "test_loss", "train_margin", "train_accuracy", "train_loss"), 0.5)
    names = list(EpochResult(1, metrics, 1.0, 1.0, 0.0).as_json())
    assert names[1:6] == ["train_loss", "train_accuracy", "train_margin", "test_loss", "test_margin"]


def test_a_record_without_an_entry_or_with_a_word_raises():
    record = EpochResult(1, METRICS, 4.7, 15000.0, 2.0).as_json()
    with pytest.raises(KeyError, match="test_loss"):
        EpochResult.from_json({name: value for name, value in record.items() if name != "test_loss"})
    with pytest.raises(TypeError, match="seconds is 'x': expected a number"):
        EpochResult.from_json({**record, "seconds": "x"})


def test_a_result_is_printed_without_its_weights():
    state = create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), (28, 28, 1))
    assert len(repr(EpochResult(1, METRICS, 4.7, 15000.0, 2.0, state=state))) < 300


def test_a_member_is_a_slice_of_every_leaf():
    both = EpochResult(1, {"train_loss": np.array([1.0, 2.0])}, np.array([3.0, 3.0]), 5.0, np.zeros(2))
    member = both.member(1)
    assert (member.train_loss, member.seconds, member.images_per_second) == (2.0, 3.0, 5.0)
