import jax
import pytest

from jaxcnn import InputError
from jaxcnn.platform import describe_devices, find_accelerators, find_devices, require_devices


def test_a_platform_is_found_by_its_name():
    assert find_devices("cpu", 1)[0].platform == "cpu"
    assert find_devices(None, 2) == tuple(jax.devices()[:2])
    assert find_devices(None, None) == tuple(jax.devices())


def test_a_missing_platform_raises():
    with pytest.raises(InputError, match=r"--platform abacus: JAX finds no such device here; choose one of .*cpu"):
        find_devices("abacus", 1)


@pytest.fixture
def jax_platforms(monkeypatch):
    """Return a function that sets JAX_PLATFORMS for a JAX that finds none of these devices, and raises `error`."""
    before = jax.config.values["jax_platforms"]

    def set_variable(value, error):
        def devices(platform=None):
            if platform is None and value == "cpu":
                return find(None)
            raise error

        find = jax.devices
        jax.config.update("jax_platforms", value)
        monkeypatch.setattr(jax, "devices", devices)

    yield set_variable
    jax.config.update("jax_platforms", before)


def test_a_platform_outside_of_jax_platforms_names_the_variable(jax_platforms):
    jax_platforms("cpu", RuntimeError())
    with pytest.raises(InputError, match=r"--platform gpu: .* choose one of cpu, or unset JAX_PLATFORMS=cpu"):
        find_devices("gpu", 1)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(AssertionError(), ""), (RuntimeError("no driver (set JAX_PLATFORMS='' to choose)"), " (no driver)")],
)
@pytest.mark.parametrize("name", [None, "cpu"])
def test_jax_platforms_without_such_a_device_is_named(jax_platforms, error, reason, name):
    jax_platforms("cuda", error)
    with pytest.raises(InputError) as raised:
        find_devices(name, 1)
    expected = f"JAX_PLATFORMS=cuda: JAX cannot compute on such a device here{reason}; unset it, or give cpu"
    assert str(raised.value) == expected


def test_an_error_of_jax_without_devices_is_an_input_error(jax_platforms):
    with pytest.raises(AssertionError, match="of another cause"), require_devices():
        raise AssertionError("of another cause")
    jax_platforms("abacus", AssertionError())
    with pytest.raises(InputError, match="JAX_PLATFORMS=abacus"), require_devices():
        raise AssertionError


@pytest.mark.parametrize("command", ["train", "reproduce"])
def test_jax_platforms_without_such_a_device_is_refused(jax_platforms, assert_refused, command):
    jax_platforms("cuda", AssertionError())
    assert_refused([command, "lenet"], f"`JAX_PLATFORMS=cuda jaxcnn {command} lenet` without a GPU")


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
