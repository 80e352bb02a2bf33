import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from networks import Small

from jaxcnn.models import LeNet
from jaxcnn.models.calls import record_calls
from jaxcnn.training import activations, create_train_state

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8)


@pytest.fixture(scope="module")
def state():
    return create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), (28, 28, 1))


def test_all_layers_are_returned_in_the_order_of_the_calls(state):
    found = activations(state, IMAGES)
    with record_calls() as calls:
        logits = state.apply_fn(state.variables, jnp.asarray(IMAGES) / 255, train=False)
    expected = {"/".join(call.path): call.output for call in calls if call.path}
    assert list(found) == list(expected) == ["conv1", "conv2", "flatten", "dense1", "dense2", "dense3"]
    for name, output in expected.items():
        np.testing.assert_allclose(found[name], output, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["dense3"], logits, rtol=1e-4, atol=1e-6)


def test_patterns_choose_layers(state):
    found = activations(state, IMAGES, layers=["conv?", "dense3"])
    assert {name: output.shape for name, output in found.items()} == {
        "conv1": (3, 24, 24, 6), "conv2": (3, 8, 8, 16), "dense3": (3, 10)
    }  # fmt: skip


def test_the_images_are_resized_and_the_average_is_used():
    state = create_train_state(Small(), optax.sgd(0.1), jax.random.key(0), (14, 14, 1)).with_ema(0.9)
    zeros = state.replace(ema=jax.tree.map(jnp.zeros_like, state.ema))
    assert activations(zeros, IMAGES, image_size=14)["conv"].shape == (3, 2, 2, 4)
    assert float(abs(activations(zeros, IMAGES, image_size=14)["conv"]).max()) == 0
    assert float(abs(activations(state, IMAGES, image_size=14)["conv"]).max()) > 0


def test_a_pattern_without_a_layer_raises(state):
    with pytest.raises(ValueError, match="layers 'conv3': no module of the network matches; it has conv1, conv2"):
        activations(state, IMAGES, layers=["conv1", "conv3"])


def test_floats_outside_the_range_raise(state):
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\]"):
        activations(state, 255 * np.ones((1, 28, 28, 1), np.float32))
