import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.data import Dataset
from jaxcnn.recipes import RECIPES
from jaxcnn.runs import RunConfig

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def dataset(*class_names, channels=1):
    images, labels = np.zeros((2, 4, 4, channels), np.uint8), np.array([0, 1], np.uint8)
    return Dataset(images, labels, images, labels, class_names)


def config(*class_names):
    return RunConfig(RECIPES["lenet"]).with_data(dataset(*class_names), None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (dataset("cat", "cow"), r"other classes than the run \('cow' only in the data; 'dog' only in the run\)"),
        (dataset("cat", "dog", "cow"), r"\('cow' only in the data\)"),
        (dataset("cat", "dog "), r"\('dog ' only in the data; 'dog' only in the run\)"),
        (dataset("dog", "cat"), r"\(the same names in another order\)"),
        (dataset("cat", "dog", channels=3), r"the data has images of shape \(4, 4, 3\), the run \(4, 4, 1\): give"),
        (dataset(*map(str, range(50))), r"'16', '17' and 40 more only in the data"),
    ],
)
def test_other_data_than_the_run_s_raise_and_are_named(data, message):
    with pytest.raises(InputError, match=message):
        config("cat", "dog").check_data(data)


def test_names_in_another_unicode_form_are_the_same():
    run = config("a", DECOMPOSED)
    assert run.data.class_names == ("a", COMPOSED)
    for name in (COMPOSED, DECOMPOSED):
        run.check_data(dataset("a", name))
    stored = {"format": 2, **run.as_json()}
    stored["data"]["class_names"] = ["a", DECOMPOSED]  # of a run before names were composed
    assert RunConfig.from_json(stored).data == run.data


@pytest.mark.parametrize(
    ("entry", "value"), [("limit", "all"), ("val_fraction", "0.1"), ("ema_decay", "high"), ("batch_size", 12.5)]
)
def test_a_damaged_setting_raises(entry, value):
    stored = {"format": 2, **RunConfig(RECIPES["lenet"]).as_json(), entry: value}
    with pytest.raises(InputError, match=rf"these are not the settings of a run|{entry} {value}: expected an integer"):
        RunConfig.from_json(stored)
