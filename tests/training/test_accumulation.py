"""Gradient accumulation over micro-batches."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from networks import Dropout

from jaxcnn import layers
from jaxcnn.models import LeNet
from jaxcnn.training import create_train_state, fit, train_step

SHAPE = (28, 28, 1)
SGD = optax.sgd(0.5)


def batch(sample, count):
    return jnp.asarray(sample.train_images[:count]), jnp.asarray(sample.train_labels[:count])


def assert_close(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("count", "accumulate"), [(8, 2), (12, 12), (9, 6), (1, 4)])
def test_a_step_equals_that_of_the_whole_batch(sample, label_smoothing, count, accumulate):
    state = create_train_state(LeNet(), SGD, 0, SHAPE)
    images, labels = batch(sample, count)
    whole, of_whole = train_step(state, images, labels, label_smoothing=label_smoothing)
    after, metrics = train_step(state, images, labels, label_smoothing=label_smoothing, accumulate=accumulate)
    assert int(metrics.count) == count
    assert_close((after.params, metrics), (whole.params, of_whole))


def test_batch_norm_uses_the_statistics_of_each_micro_batch(sample):
    state = create_train_state(LeNet(norm=layers.scratch_batch_norm), SGD, 0, SHAPE)
    images, labels = batch(sample, 12)
    after, metrics = train_step(state, images, labels, accumulate=3)
    losses, kernels, moved = [], [], state
    for first in range(3):
        part, of_part = train_step(moved, images[first::3], labels[first::3])
        losses.append(of_part.loss)
        kernels.append(part.params["conv1"]["kernel"])
        moved = state.replace(batch_stats=part.batch_stats)
    assert_close(metrics.loss, np.mean(losses))
    assert_close(after.params["conv1"]["kernel"], np.mean(kernels, axis=0))
    assert_close(after.batch_stats, moved.batch_stats)


def test_the_number_of_micro_batches_is_a_common_divisor(sample):
    state = create_train_state(LeNet(norm=layers.scratch_batch_norm), SGD, 0, SHAPE)
    images, labels = batch(sample, 6)
    for accumulate, count in ((4, 2), (5, 1), (6, 6), (9, 3)):
        after, _ = train_step(state, images, labels, accumulate=accumulate)
        same, _ = train_step(state, images, labels, accumulate=count)
        jax.tree.map(np.testing.assert_array_equal, after.batch_stats, same.batch_stats)


def test_each_micro_batch_has_its_own_dropout_masks(sample):
    state = create_train_state(Dropout(), SGD, 0, SHAPE)
    images, labels = batch(sample, 1)
    images, labels = jnp.repeat(images, 4, 0), jnp.repeat(labels, 4)
    steps = {count: train_step(state, images, labels, accumulate=count)[0].params["scale"] for count in (1, 2, 4)}
    assert len({scale.tobytes() for scale in map(np.asarray, steps.values())}) == 3


def test_micro_batches_need_less_memory():
    state = create_train_state(LeNet(), SGD, 0, SHAPE)
    leaves, tree = jax.tree.flatten(state)
    images, labels = jnp.zeros((256, *SHAPE)), jnp.zeros(256, int)

    def bytes_of(accumulate):
        def step(leaves):
            return jax.tree.leaves(train_step(jax.tree.unflatten(tree, leaves), images, labels, accumulate=accumulate))

        analysis = jax.jit(step).lower(leaves).compile().memory_analysis()
        assert analysis is not None
        return analysis.temp_size_in_bytes

    assert bytes_of(8) < bytes_of(1) / 2


def test_optimizers_get_the_loss_of_all_micro_batches(sample):
    def update(updates, state, params=None, *, value, grad, value_fn, **_):
        return updates, {"value": value, "of value_fn": value_fn(params)}

    optimizer = optax.GradientTransformationExtraArgs(lambda _: dict.fromkeys(("value", "of value_fn"), 0.0), update)
    state = create_train_state(LeNet(), optimizer, 0, SHAPE)
    after, metrics = train_step(state, *batch(sample, 12), accumulate=4)
    assert_close(after.opt_state, {"value": metrics.loss, "of value_fn": metrics.loss})


def test_fit_accumulates(sample):
    def losses(accumulate):
        state = create_train_state(LeNet(), SGD, 0, SHAPE)
        epochs = fit(state, sample, num_epochs=2, batch_size=100, accumulate=accumulate)
        return [epoch.metrics["train_loss"] for epoch in epochs]

    np.testing.assert_allclose(losses(4), losses(1), rtol=1e-4)


@pytest.mark.parametrize("accumulate", [0, -1])
def test_numbers_below_1_raise(sample, accumulate):
    state = create_train_state(LeNet(), SGD, 0, SHAPE)
    with pytest.raises(ValueError, match=f"accumulate {accumulate}: expected 1 or more"):
        train_step(state, *batch(sample, 4), accumulate=accumulate)
