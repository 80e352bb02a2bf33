import jax
import numpy as np
import optax
import pytest

from jaxcnn.models import LeNet
from jaxcnn.training import create_train_state, predict


@pytest.fixture(scope="module")
def state():
    return create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), (28, 28, 1))


def test_probabilities_are_the_softmax_of_the_logits(state, sample):
    images = sample.test_images[:5]
    logits = state.apply_fn(state.variables, images / 255, train=False)
    np.testing.assert_allclose(predict(state, images), jax.nn.softmax(logits), rtol=1e-5)
    np.testing.assert_allclose(predict(state, images, batch_size=2), jax.nn.softmax(logits), rtol=1e-5)


def test_one_image_gives_one_row(state, sample):
    one = predict(state, sample.test_images[3])
    np.testing.assert_allclose(one, predict(state, sample.test_images[:4])[3], rtol=1e-5)


def test_pixels_outside_the_range_raise(state, sample):
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\]"):
        predict(state, sample.test_images[:2].astype(np.float32))


@pytest.mark.parametrize(("count", "batch_size"), [(0, 256), (2, 0)])
def test_no_images_and_an_empty_batch_raise(state, sample, count, batch_size):
    with pytest.raises(ValueError, match="expected"):
        predict(state, sample.test_images[:count], batch_size=batch_size)
