import jax
import pytest

from jaxcnn import InputError
from jaxcnn.runs.environment import describe_device, find_device, software_versions


def test_a_platform_is_found_by_its_name():
    assert find_device("cpu").platform == "cpu"
    assert find_device(None) == jax.devices()[0]


def test_a_platform_that_is_not_there_says_which_are():
    with pytest.raises(InputError, match=r"no device 'abacus' here: JAX finds .*cpu"):
        find_device("abacus")


def test_a_device_is_described_in_words():
    assert describe_device(find_device("cpu")).startswith("cpu, ")


def test_versions_are_recorded():
    assert software_versions()["jax"] == jax.__version__
