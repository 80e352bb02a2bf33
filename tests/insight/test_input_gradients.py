import jax
import numpy as np
import optax
import pytest

from jaxcnn.insight import input_gradients
from jaxcnn.models import LeNet
from jaxcnn.training import create_train_state


@pytest.fixture(scope="module")
def state():
    state = create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), (28, 28, 1))
    return state.replace(params=jax.tree.map(lambda leaf: 3 * leaf, state.params))  # more sensitive to the image


def test_gradients_are_finite_differences_of_the_logit(state, sample):
    images = sample.test_images[:2].astype(np.float32) / 255
    found = np.asarray(input_gradients(state, images, classes=np.array([3, 4])))
    assert found.shape == images.shape

    def logit(images):
        logits = np.asarray(state.apply_fn(state.variables, images, train=False), np.float64)
        return logits[[0, 1], [3, 4]]

    for row, column in ((5, 5), (14, 14), (20, 9)):
        step = np.zeros_like(images)
        step[:, row, column] = 0.02
        slope = (logit(images + step) - logit(images - step)) / 0.04
        np.testing.assert_allclose(found[:, row, column, 0], slope, rtol=0.02, atol=1e-4)
        assert abs(slope).max() > 1e-3


def test_the_class_is_the_predicted_one_by_default(state, sample):
    images = sample.test_images[:3]
    predicted = np.asarray(state.apply_fn(state.variables, images / 255, train=False).argmax(-1))
    np.testing.assert_array_equal(input_gradients(state, images), input_gradients(state, images, classes=predicted))


def test_gradients_have_the_size_of_the_images(sample):
    state = create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), (32, 32, 1))
    assert input_gradients(state, sample.test_images[:1], image_size=32).shape == (1, 28, 28, 1)
