import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcnn.models import LeNet, ResNet18, output_shapes, summarize
from jaxcnn.recipes import RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_all_parameters_are_counted(name):
    recipe = RECIPES[name]
    layers = summarize(recipe.model, (recipe.image_size, recipe.image_size, 1))
    assert sum(layer.num_parameters for layer in layers) == recipe.num_parameters
    shapes = {layer.name: layer.output_shape for layer in layers}
    assert output_shapes(recipe.model, (recipe.image_size, recipe.image_size, 1)).items() <= shapes.items()


def test_pools_are_layers_in_their_place():
    names = [layer.name for layer in summarize(LeNet(), (28, 28, 1))]
    assert names == ["conv1", "max_pool2d", "conv2", "max_pool2d", "flatten", "dense1", "dense2", "dense3"]


def test_flops_are_two_for_each_weight_and_pixel():
    layers = {layer.name: layer for layer in summarize(LeNet(), (28, 28, 1))}
    assert layers["conv2"].flops == 2 * 8 * 8 * 16 * (5 * 5 * 6)
    assert layers["dense1"].flops == 2 * 256 * 120
    block = {layer.name: layer for layer in summarize(ResNet18(), (224, 224, 3))}
    assert np.isclose(sum(layer.flops for layer in block.values()), 2 * 1.81e9, rtol=0.01)


def test_pools_of_flax_are_shown():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):  # noqa: ARG002
            x = nn.max_pool(nn.Conv(4, (3, 3), name="conv")(x), (2, 2), strides=(2, 2))
            return nn.Dense(10, name="dense")(jnp.mean(x, axis=(1, 2)))

    layers = summarize(Net(), (8, 8, 1))
    assert [(layer.name, layer.output_shape) for layer in layers] == [
        ("conv", (8, 8, 4)), ("pool", (4, 4, 4)), ("dense", (10,))
    ]  # fmt: skip


def test_a_block_may_return_several_arrays():
    class Pair(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Conv(3, (3, 3), name="conv")(x), x

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):  # noqa: ARG002
            return nn.Dense(2, name="dense")(Pair(name="pair")(x)[0].mean((1, 2)))

    layers = summarize(Net(), (6, 6, 1))
    assert [(layer.name, layer.output_shape, layer.num_parameters) for layer in layers] == [
        ("pair", (6, 6, 3), 30), ("dense", (2,), 8)
    ]  # fmt: skip
    assert output_shapes(Net(), (6, 6, 1)) == {"pair": (6, 6, 3), "dense": (2,)}
