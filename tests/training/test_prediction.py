from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcnn.data import Views
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


def test_an_empty_batch_raises(state, sample):
    with pytest.raises(ValueError, match="batch_size 0: expected an integer, 1 or more"):
        predict(state, sample.test_images[:2], batch_size=0)


def test_images_without_a_channel_axis_raise(state):
    with pytest.raises(ValueError, match=r"images of shape \(28, 28\): expected \(N, H, W, C\)"):
        unwrap(predict)(state, np.zeros((28, 28), np.uint8))


def test_probabilities_are_averaged_over_the_views(state, sample):
    state = state.replace(params=jax.tree.map(lambda leaf: 3 * leaf, state.params))  # more sensitive to the image
    images, views = sample.test_images[:5], Views(flip=True, shift=2)
    expected = np.mean([predict(state, np.asarray(view)) for view in views(jnp.asarray(images))], axis=0)
    np.testing.assert_allclose(predict(state, images, views=views), expected, rtol=1e-5)
    np.testing.assert_allclose(predict(state, images[0], views=views), expected[0], rtol=1e-5)
    assert abs(expected - predict(state, images)).max() > 1e-3
