import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from jaxcnn.insight import input_gradients
from jaxcnn.training import create_train_state

IMAGES = np.random.default_rng(0).random((3, 6, 6, 2)).astype(np.float32)


class Smooth(nn.Module):
    """Logits that are a smooth function of the image."""

    @nn.compact
    def __call__(self, x, *, train: bool):  # noqa: ARG002
        return nn.Dense(4, name="dense")(jnp.tanh(nn.Dense(8, name="hidden")(x.reshape(len(x), -1))))


@pytest.fixture(scope="module")
def state():
    return create_train_state(Smooth(), optax.sgd(0.1), jax.random.key(0), (6, 6, 2))


def test_gradients_are_finite_differences_of_the_logit(state):
    found = np.asarray(input_gradients(state, IMAGES, classes=np.array([3, 0, 2])))

    def logit(images):
        logits = np.asarray(state.apply_fn(state.variables, jnp.asarray(images), train=False))
        return logits[[0, 1, 2], [3, 0, 2]]

    for row, column, channel in ((0, 5, 0), (3, 3, 1), (5, 1, 1)):
        step = np.zeros_like(IMAGES)
        step[:, row, column, channel] = 0.05
        slope = (logit(IMAGES + step) - logit(IMAGES - step)) / 0.1
        np.testing.assert_allclose(found[:, row, column, channel], slope, rtol=1e-2, atol=1e-4)
        assert abs(slope).max() > 1e-2


def test_the_class_is_the_predicted_one_by_default(state):
    predicted = np.asarray(state.apply_fn(state.variables, jnp.asarray(IMAGES), train=False).argmax(-1))
    np.testing.assert_array_equal(input_gradients(state, IMAGES), input_gradients(state, IMAGES, classes=predicted))


def test_gradients_have_the_size_of_the_images_and_their_scale(state):
    images = np.random.default_rng(0).integers(0, 256, (2, 9, 9, 2), np.uint8)
    of_pixels = input_gradients(state, images, image_size=6)
    assert of_pixels.shape == (2, 9, 9, 2)
    np.testing.assert_allclose(of_pixels, input_gradients(state, images / np.float32(255), image_size=6), atol=1e-6)
