from functools import partial
from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from jaxcnn.models import LeNet
from jaxcnn.training import create_train_state, eval_step, train_step
from jaxcnn.training.state import RngStream, derive_key

SHAPE = (28, 28, 1)
NORM = partial(nn.BatchNorm, momentum=0.9)


def test_a_state_is_a_function_of_its_key():
    one, same, other = (
        create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(seed), SHAPE).params for seed in (0, 0, 1)
    )
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), one, same)))
    assert not any(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), one, other)))


def test_the_optimizer_gets_the_parameters_alone():
    state = create_train_state(LeNet(norm=NORM), optax.adam(0.1), jax.random.key(0), SHAPE)
    assert jax.tree.structure(state.opt_state[0].mu) == jax.tree.structure(state.params)


def test_a_network_without_batch_norm_has_empty_statistics():
    assert create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), SHAPE).batch_stats == {}


def test_both_kinds_of_keys_and_an_int_are_accepted():
    typed, raw, seed = (
        create_train_state(LeNet(), optax.sgd(0.1), make(3), SHAPE)
        for make in (jax.random.key, jax.random.PRNGKey, int)
    )
    np.testing.assert_array_equal(typed.params["conv1"]["kernel"], raw.params["conv1"]["kernel"])
    assert typed.key == raw.key == seed.key


def test_a_wrong_key_or_optimizer_raises():
    unchecked = unwrap(create_train_state)  # without the type checker of the tests
    with pytest.raises(TypeError, match=r"optimizer 0\.1: expected an optax transformation"):
        unchecked(LeNet(), 0.1, jax.random.key(0), SHAPE)
    with pytest.raises(TypeError, match="key 'seed': expected a key"):
        unchecked(LeNet(), optax.sgd(0.1), "seed", SHAPE)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_raises(seed):
    with pytest.raises(ValueError, match=f"key {seed}: expected a seed from 0 to 4294967295"):
        create_train_state(LeNet(), optax.sgd(0.1), seed, SHAPE)


def test_each_stream_and_index_has_its_own_key():
    key = jax.random.key(0)
    keys = [jax.random.key_data(derive_key(key, stream, index)) for stream in RngStream for index in range(3)]
    assert len({tuple(np.asarray(data).tolist()) for data in keys}) == len(keys)


@pytest.mark.parametrize("shape", [(28, 28, 0), (0, 28, 1)])
def test_an_image_shape_must_be_positive(shape):
    with pytest.raises(ValueError, match="each 1 or more"):
        create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), shape)


def test_an_image_that_is_too_small_raises():
    with pytest.raises(ValueError, match="at least 16x16"):
        create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), (8, 8, 1))


def test_the_state_is_one_pytree():
    state = create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), SHAPE)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), state, state)
    assert stacked.params["conv1"]["kernel"].shape == (2, 5, 5, 1, 6)


def test_a_state_is_printed_without_its_weights():
    state = create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), SHAPE)
    assert repr(state) == "TrainState(step 0, 44,426 parameters)"
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), state, state, state)
    assert repr(stacked) == "TrainState(3 members, step 0, 44,426 parameters)"


def test_ema_has_a_smaller_decay_in_the_first_steps():
    state = create_train_state(LeNet(norm=NORM), optax.sgd(0.1), jax.random.key(0), SHAPE).with_ema(0.3)
    rng = np.random.default_rng(0)
    expected = jax.tree.map(lambda leaf: np.full(leaf.shape, np.inf), state.variables)
    for decay in (0.0, 1 / 10, 2 / 11, 3 / 12, 0.3, 0.3, 0.3):
        images, labels = rng.random((8, *SHAPE), np.float32), rng.integers(0, 10, 8)
        state, _ = train_step(state, images, labels)
        after = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), state.variables)
        expected = jax.tree.map(lambda old, new, d=decay: (d * old if d else 0) + (1 - d) * new, expected, after)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), state.ema, expected)
    assert state.eval_variables is state.ema


def test_evaluation_uses_the_average():
    state = create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), SHAPE)
    other = create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(1), SHAPE)
    images, labels = np.random.default_rng(0).random((8, *SHAPE), np.float32), np.arange(8)
    averaged = state.with_ema(0.9).replace(ema=other.variables)
    assert eval_step(averaged, images, labels).loss == eval_step(other, images, labels).loss
    assert eval_step(averaged, images, labels).loss != eval_step(state, images, labels).loss


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, float("nan")])
def test_an_invalid_decay_raises(decay):
    with pytest.raises(ValueError, match=f"decay {decay}: expected more than 0 and less than 1"):
        create_train_state(LeNet(), optax.sgd(0.1), jax.random.key(0), SHAPE).with_ema(decay)
