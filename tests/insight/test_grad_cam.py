from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from networks import Dropout

from jaxcnn import InputError, models
from jaxcnn.insight import feature_maps, grad_cam, input_gradients
from jaxcnn.training import create_train_state

IMAGES = np.random.default_rng(0).random((4, 8, 8, 1)).astype(np.float32)


class Net(nn.Module):
    """A convolution, a nonlinear head and logits, so that the gradient depends on the image."""

    @nn.compact
    def __call__(self, x, *, train: bool):  # noqa: ARG002
        x = nn.Conv(5, (3, 3), strides=2, name="conv")(x)
        return nn.Dense(3, name="dense")(jnp.tanh(x).reshape(len(x), -1) ** 2)


@pytest.fixture(scope="module")
def state():
    return create_train_state(Net(), optax.sgd(0.1), jax.random.key(0), (8, 8, 1))


def naive(state, image, chosen):
    """The formula for one image, with the head of the network as its own function."""
    params = state.params
    features = nn.Conv(5, (3, 3), strides=2).apply({"params": params["conv"]}, image[None])[0]

    def head(features):
        return (jnp.tanh(features).reshape(-1) ** 2 @ params["dense"]["kernel"] + params["dense"]["bias"])[chosen]

    gradient = np.asarray(jax.grad(head)(features))
    total = np.zeros((4, 4))
    for k in range(5):
        total += gradient[:, :, k].mean() * np.asarray(features[:, :, k])
    total = np.maximum(total, 0)
    return total / total.max()


def test_maps_follow_the_formula(state):
    maps = np.asarray(grad_cam(state, IMAGES, classes=np.array([0, 1, 2, 1]), layer="conv"))
    assert maps.shape == (4, 8, 8)
    for image, chosen, found in zip(IMAGES, (0, 1, 2, 1), maps, strict=True):
        expected = naive(state, jnp.asarray(image), chosen)
        resized = jax.image.resize(jnp.asarray(expected), (8, 8), "bilinear")
        np.testing.assert_allclose(found, resized, atol=1e-5)


def test_the_predicted_class_and_last_feature_map_are_defaults(state):
    logits = state.apply_fn(state.variables, jnp.asarray(IMAGES), train=False)
    expected = grad_cam(state, IMAGES, classes=np.asarray(logits.argmax(-1)), layer="conv")
    np.testing.assert_array_equal(grad_cam(state, IMAGES), expected)


def test_each_map_depends_on_its_image_alone(state):
    one = grad_cam(state, IMAGES[:1], classes=np.array([1]))
    several = grad_cam(state, IMAGES, classes=np.array([1, 0, 0, 2]))
    np.testing.assert_allclose(one[0], several[0], atol=1e-5)


def test_a_map_is_zero_if_no_pixel_raises_the_logit(state):
    zeros = state.replace(params=jax.tree.map(jnp.zeros_like, state.params))
    assert float(grad_cam(zeros, IMAGES).max()) == 0


def test_layers_without_feature_maps_raise(state):
    for layer in ("dense", "conv2"):
        with pytest.raises(ValueError, match=f"layer '{layer}': expected a module with feature maps, one of conv"):
            grad_cam(state, IMAGES, layer=layer)


def test_a_network_without_feature_maps_raises():
    state = create_train_state(Dropout(), optax.sgd(0.1), 0, (8, 8, 1))
    assert feature_maps(state, (8, 8, 1)) == {}
    with pytest.raises(InputError, match="the network has no layer with feature maps"):
        grad_cam(state, IMAGES)


def test_the_last_map_of_a_residual_network_is_its_last_block():
    state = create_train_state(models.ResNet(stage_sizes=(1, 1)), optax.sgd(0.1), 0, (32, 32, 1))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), np.uint8)
    np.testing.assert_array_equal(grad_cam(state, images), grad_cam(state, images, layer="stage2_block1"))


@pytest.mark.parametrize("classes", [np.array([0, 1, 2, 3]), np.array([0, -1, 0, 0]), np.array([0, 1]), np.zeros(4)])
def test_invalid_classes_raise(state, classes):
    for explain in (grad_cam, input_gradients):
        with pytest.raises(ValueError, match="labels"):
            unwrap(explain)(state, IMAGES, classes=classes)


class Twice(nn.Module):
    """A layer that is called at two resolutions."""

    @nn.compact
    def __call__(self, x, *, train: bool):  # noqa: ARG002
        conv = nn.Conv(1, (3, 3), name="conv")
        x = nn.avg_pool(conv(x), (2, 2), (2, 2))
        return nn.Dense(3, name="dense")(jnp.tanh(conv(x)).reshape(len(x), -1) ** 2)


def test_a_map_is_of_the_last_call_of_a_layer():
    state = create_train_state(Twice(), optax.sgd(0.1), jax.random.key(0), (8, 8, 1))
    params = state.params

    def convolve(x):
        return nn.Conv(1, (3, 3)).apply({"params": params["conv"]}, x)

    def head(features):
        return (jnp.tanh(features).reshape(-1) ** 2 @ params["dense"]["kernel"] + params["dense"]["bias"])[1]

    features = convolve(nn.avg_pool(convolve(IMAGES[:1]), (2, 2), (2, 2)))[0]
    expected = np.maximum(np.asarray(jax.grad(head)(features)).mean() * np.asarray(features)[..., 0], 0)
    found = grad_cam(state, IMAGES[:1], classes=np.array([1]), layer="conv")[0]
    resized = jax.image.resize(expected / max(expected.max(), 1e-30), (8, 8), "bilinear")
    np.testing.assert_allclose(found, resized, atol=1e-5)


@pytest.mark.parametrize("function", [grad_cam, input_gradients])
def test_floats_outside_the_range_raise(state, function):
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\]"):
        function(state, 255 * IMAGES)
