import jax

from jaxcnn.platform import software_versions


def test_versions_are_recorded():
    assert software_versions()["jax"] == jax.__version__
