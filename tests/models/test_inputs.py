"""Inputs that every network rejects."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import shapes_of

from jaxcnn import models
from jaxcnn.recipes import RECIPES

every_network = pytest.mark.parametrize("name", RECIPES)


@every_network
@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            np.zeros((2, 3, 99, 99), np.float32),
            r"channel-last images \(N, H, W, C\), got channel-first \(2, 3, 99, 99\)",
        ),
        (
            np.zeros((99, 99, 1), np.float32),
            r"a batch of images \(N, H, W, C\), got \(99, 99, 1\); .* use images\[None\]",
        ),
        (np.zeros((99, 99), np.float32), r"expected images \(N, H, W, C\), got images \(99, 99\)"),
        (np.zeros((1, 99, 99, 1), np.uint8), "images of floats, usually in .*, got uint8; .* images / 255"),
        (np.zeros((1, 99, 99, 1), np.int32), "images of floats, usually in .*, got int32"),
        ([[[[0.0]]]], "expected images to be an array"),
    ],
)
def test_rejects_other_inputs_with_the_remedy(name, images, message):
    model = RECIPES[name].model
    with pytest.raises(ValueError, match=f"^{type(model).__name__}: expected .*{message.removeprefix('expected ')}"):
        jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))


@every_network
def test_rejects_images_of_other_channels_than_its_parameters(name):
    model = RECIPES[name].model
    _, variables = shapes_of(model, (1, 99, 99, 1))
    with pytest.raises(ValueError, match=r"conv1 on an input \(1, 99, 99, 3\): expected a kernel .*, got .*, 1, "):
        jax.eval_shape(lambda variables: model.apply(variables, jnp.zeros((1, 99, 99, 3)), train=False), variables)


def test_rejects_images_of_another_size_than_its_dense_layers():
    _, variables = shapes_of(models.LeNet(), (1, 28, 28, 1))
    with pytest.raises(ValueError, match=r"dense1 on an input \(1, 400\): expected a kernel \(400, 120\), got \(256"):
        jax.eval_shape(
            lambda variables: models.LeNet().apply(variables, jnp.zeros((1, 32, 32, 1)), train=False), variables
        )
