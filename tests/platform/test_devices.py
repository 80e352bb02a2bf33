import jax
import pytest

from jaxcnn import InputError
from jaxcnn.platform import describe_devices, find_accelerators, find_devices


def test_a_platform_is_found_by_its_name():
    assert find_devices("cpu", 1)[0].platform == "cpu"
    assert find_devices(None, 2) == tuple(jax.devices()[:2])
    assert find_devices(None, None) == tuple(jax.devices())


def test_a_missing_platform_raises():
    with pytest.raises(InputError, match=r"--platform abacus: JAX finds no such device here; choose one of .*cpu"):
        find_devices("abacus", 1)


@pytest.mark.parametrize("count", [0, 9])
def test_more_devices_than_there_are_raise(count):
    with pytest.raises(InputError, match=f"--num-devices {count}: expected 1 to 8, the number of cpu devices here"):
        find_devices("cpu", count)


def test_a_device_is_described_in_words():
    assert describe_devices(find_devices("cpu", 1)).startswith("cpu, ")
    assert describe_devices(find_devices("cpu", 3)).endswith(", 3 devices")


@pytest.mark.parametrize(
    ("file", "kinds"), [("nvidia0", ["NVIDIA GPU"]), ("kfd", ["AMD GPU"]), ("accel0", ["TPU"]), ("nvidiactl", [])]
)
def test_accelerators_are_found_by_their_files(tmp_path, file, kinds):
    (tmp_path / file).touch()
    assert find_accelerators(tmp_path) == kinds
