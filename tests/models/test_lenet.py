import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import drawn_variables

from jaxcnn import layers
from jaxcnn.models import LeNet


def test_without_norm_there_are_no_batch_stats():
    assert set(LeNet().init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)) == {"params"}


@pytest.mark.parametrize("norm", [layers.library_batch_norm, layers.scratch_batch_norm])
def test_batch_statistics_are_explicit(norm):
    model = LeNet(norm=norm)
    variables = model.init(jax.random.key(0), jnp.zeros((2, 28, 28, 1)), train=False)
    images = jax.random.uniform(jax.random.key(1), (4, 28, 28, 1))
    _, updates = model.apply(variables, images, train=True, mutable=["batch_stats"])
    before, after = variables["batch_stats"], updates["batch_stats"]
    assert set(after) == {"norm1", "norm2", "norm3", "norm4"}
    assert all(np.abs(after[name]["mean"] - before[name]["mean"]).max() > 0 for name in after)


def test_a_batch_without_images_gives_no_logits_and_no_gradients():
    model = LeNet(norm=layers.scratch_batch_norm)
    variables = drawn_variables(model, (1, 28, 28, 1))
    images = jnp.zeros((0, 28, 28, 1))
    assert model.apply(variables, images, train=False).shape == (0, 10)

    def total(params):
        logits, updates = model.apply({**variables, "params": params}, images, train=True, mutable=["batch_stats"])
        return logits.sum(), updates["batch_stats"]

    gradients, statistics = jax.grad(total, has_aux=True)(variables["params"])
    jax.tree.map(np.testing.assert_array_equal, statistics, variables["batch_stats"])
    assert not any(np.any(gradient) for gradient in jax.tree.leaves(gradients))
