from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxcnn.models import LeNet

NORM = partial(nn.BatchNorm, momentum=0.9, epsilon=1e-5)


def initialise(model, shape=(2, 28, 28, 1)):
    return jax.jit(partial(model.init, train=False))(jax.random.key(0), jnp.zeros(shape))


@pytest.mark.parametrize(("model", "parameters"), [(LeNet(), 44_426), (LeNet(norm=NORM), 44_878)])
def test_parameter_count(model, parameters):
    shapes = jax.eval_shape(partial(initialise, model))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == parameters


def test_flatten_gives_256_features():
    assert jax.eval_shape(partial(initialise, LeNet()))["params"]["dense1"]["kernel"].shape == (256, 120)


def test_every_parameter_takes_a_gradient():
    model = LeNet()
    variables = initialise(model)
    x = jax.random.uniform(jax.random.key(1), (4, 28, 28, 1))
    gradients = jax.grad(lambda params: jnp.sum(model.apply({"params": params}, x, train=True) ** 2))(
        variables["params"]
    )
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradients))


def test_batch_statistics_are_explicit():
    model = LeNet(norm=NORM)
    variables = initialise(model)
    x = jax.random.uniform(jax.random.key(1), (4, 28, 28, 1))
    _, updates = model.apply(variables, x, train=True, mutable=["batch_stats"])
    before, after = variables["batch_stats"], updates["batch_stats"]
    assert set(after) == {"norm1", "norm2", "norm3", "norm4"}
    assert all(np.abs(after[name]["mean"] - before[name]["mean"]).max() > 0 for name in after)


def test_computes_in_the_dtype_it_is_given_and_keeps_its_parameters_in_float32():
    model = LeNet(dtype=jnp.bfloat16)
    variables = initialise(model)
    logits = model.apply(variables, jnp.ones((1, 28, 28, 1)), train=False)
    assert logits.dtype == jnp.bfloat16
    assert np.isfinite(np.asarray(logits, np.float32)).all()
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


def test_sizes_channels_and_classes_are_free():
    model, x = LeNet(num_classes=7), jnp.ones((2, 16, 20, 3))
    logits, _ = jax.eval_shape(partial(model.init_with_output, train=False), jax.random.key(0), x)
    assert logits.shape == (2, 7)


def test_an_image_that_is_too_small_is_said():
    with pytest.raises(ValueError, match="15x16: 16x16 is the smallest"):
        initialise(LeNet(), (1, 15, 16, 1))
