import jax.numpy as jnp
import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.data import ArraySource, Normalization


def test_mean_and_std_are_those_of_each_channel(sample):
    images = np.random.default_rng(0).integers(0, 256, (600, 5, 4, 3), np.uint8)
    found = Normalization.of_images(ArraySource(images, np.zeros(600, np.uint8)))
    np.testing.assert_allclose(found.mean, (images / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.std, (images / 255).std((0, 1, 2)), rtol=1e-12)
    assert Normalization.of_images(sample.train) == Normalization.of_images(sample.streamed().train)


def test_normalized_images_have_mean_0_and_std_1(sample):
    images = jnp.asarray(sample.train_images, jnp.float32) / 255
    normalized = Normalization.of_images(sample.train)(images)
    assert float(normalized.mean()) == pytest.approx(0, abs=1e-5)
    assert float(normalized.std()) == pytest.approx(1, abs=1e-5)


def test_a_constant_channel_has_std_1():
    source = ArraySource(np.full((3, 2, 2, 1), 51, np.uint8), np.zeros(3, np.uint8))
    assert Normalization.of_images(source) == Normalization((0.2,), (1.0,))


@pytest.mark.parametrize(("mean", "std"), [((), ()), ((0.5,), (1.0, 1.0)), ((0.5,), (0.0,)), ((float("nan"),), (1.0,))])
def test_invalid_numbers_raise(mean, std):
    with pytest.raises(InputError, match="expected"):
        Normalization(mean, std)


def test_images_with_other_channels_raise():
    with pytest.raises(ValueError, match="expected 1 channels"):
        Normalization((0.5,), (0.5,))(jnp.zeros((1, 2, 2, 3)))
