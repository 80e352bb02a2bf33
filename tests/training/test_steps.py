from functools import partial
from inspect import unwrap
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from flax import linen as nn
from networks import Dropout

from jaxcnn import data
from jaxcnn.data import CutMix, Mixup
from jaxcnn.models import LeNet
from jaxcnn.recipes import RECIPES
from jaxcnn.training import METRICS, compute_metrics, create_train_state, eval_step, fit, train_step
from jaxcnn.training.metrics import zero_metrics
from jaxcnn.training.state import RngStream, derive_key

SHAPE = (28, 28, 1)
SGD = optax.sgd(0.5)


class Bias(nn.Module):
    """A network whose logits are its parameters."""

    @nn.compact
    def __call__(self, x, *, train: bool):  # noqa: ARG002
        return jnp.zeros((x.shape[0], 10)) + self.param("bias", nn.initializers.zeros, (1, 10))


def batch(sample, count=64):
    return jnp.asarray(sample.train_images[:count]), jnp.asarray(sample.train_labels[:count])


@pytest.mark.parametrize("name", RECIPES)
def test_accelerators_get_no_form_for_cpus(name):
    recipe = RECIPES[name]
    shape = (recipe.image_size, recipe.image_size, 1)
    images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)

    def first_step(key, images, labels):
        state = create_train_state(recipe.model, recipe.make_optimizer(), key, shape)
        return jax.tree.leaves(train_step(state, images, labels))

    traced = jax.jit(first_step).trace(jax.random.key(0), images, jnp.zeros(2, int))
    programs = {
        platform: traced.lower(lowering_platforms=(platform,)).as_text(debug_info=True)
        for platform in ("cpu", "cuda", "tpu")
    }
    assert [platform for platform, program in programs.items() if "cpu_form" in program] == ["cpu"]


def test_an_sgd_step_follows_the_gradient_of_the_mean_loss(sample):
    images, labels = batch(sample)
    model = LeNet()
    before = create_train_state(model, optax.sgd(0.5), jax.random.key(0), SHAPE)

    def loss(params):
        log_probabilities = jax.nn.log_softmax(model.apply({"params": params}, images / 255, train=True))
        return -jnp.mean(log_probabilities[jnp.arange(64), labels])

    value, gradients = jax.value_and_grad(loss)(before.params)
    after, metrics = train_step(before, images, labels)
    expected = jax.tree.map(lambda p, g: p - 0.5 * g, before.params, gradients)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), after.params, expected)
    np.testing.assert_allclose(metrics.loss, value, rtol=1e-5)
    assert int(after.step) == 1


def test_label_smoothing_changes_the_loss_but_not_the_metrics(sample):
    images, labels = batch(sample)
    before = create_train_state(LeNet(), optax.sgd(0.5), jax.random.key(0), SHAPE)

    def loss(params):
        logits = before.apply_fn({"params": params}, images / 255, train=True)
        smoothed = optax.smooth_labels(jax.nn.one_hot(labels, 10), 0.1)
        return optax.softmax_cross_entropy(logits, smoothed).mean()

    after, metrics = train_step(before, images, labels, label_smoothing=0.1)
    _, plain = train_step(before, images, labels)
    expected = jax.tree.map(lambda p, g: p - 0.5 * g, before.params, jax.grad(loss)(before.params))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), after.params, expected)
    np.testing.assert_allclose(metrics.loss, plain.loss, rtol=1e-6)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("mixing", [Mixup(1.0), CutMix(1.0)])
def test_mixed_images_are_trained_towards_both_labels(sample, mixing, accumulate):
    images, labels = batch(sample)
    before = create_train_state(LeNet(), optax.sgd(0.5), jax.random.key(0), SHAPE)
    mixed = mixing(derive_key(before.key, RngStream.MIXING, 0), images / 255, labels)
    shares = mixed.shares[:, None]
    targets = shares * jax.nn.one_hot(labels, 10) + (1 - shares) * jax.nn.one_hot(labels[::-1], 10)

    def loss(params):
        logits = before.apply_fn({"params": params}, mixed.images, train=True)
        return optax.softmax_cross_entropy(logits, targets).mean()

    after, metrics = train_step(before, images, labels, mixing=mixing, accumulate=accumulate)
    expected = jax.tree.map(lambda p, g: p - 0.5 * g, before.params, jax.grad(loss)(before.params))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), after.params, expected)
    of_own_labels = train_step(before, mixed.images, labels)[1].loss
    np.testing.assert_allclose(metrics.loss, of_own_labels, rtol=1e-5)


def test_each_step_is_mixed_with_its_own_key(sample):
    images, labels = batch(sample)
    state = create_train_state(LeNet(), optax.sgd(0.0), jax.random.key(0), SHAPE)
    first, of_first = train_step(state, images, labels, mixing=Mixup(1.0))
    _, again = train_step(state, images, labels, mixing=Mixup(1.0))
    _, of_second = train_step(first, images, labels, mixing=Mixup(1.0))
    assert of_first.loss == again.loss
    assert of_first.loss != of_second.loss


def test_class_weights_multiply_the_losses_of_their_class(sample):
    images, labels = batch(sample)
    before = create_train_state(LeNet(), optax.sgd(0.5), jax.random.key(0), SHAPE)
    weights = tuple(float(number) for number in range(10))

    def loss(params):
        logits = before.apply_fn({"params": params}, images / 255, train=True)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return (jnp.arange(10.0)[labels] * losses).sum() / 64

    after, metrics = train_step(before, images, labels, class_weights=weights)
    expected = jax.tree.map(lambda p, g: p - 0.5 * g, before.params, jax.grad(loss)(before.params))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), after.params, expected)
    np.testing.assert_allclose(metrics.loss, train_step(before, images, labels)[1].loss, rtol=1e-6)


@pytest.mark.parametrize("weights", [(1.0,) * 9, (-1.0, *[1.0] * 9), (0.0,) * 10, (float("nan"), *[1.0] * 9)])
def test_invalid_class_weights_raise(sample, weights):
    images, labels = batch(sample)
    state = create_train_state(LeNet(), SGD, jax.random.key(0), SHAPE)
    with pytest.raises(ValueError, match="class weights"):
        train_step(state, images, labels, class_weights=weights)


def test_metrics_are_sums_over_the_batch(sample):
    images, labels = batch(sample)
    state = create_train_state(LeNet(), SGD, jax.random.key(0), SHAPE)
    logits = state.apply_fn(state.variables, images / 255, train=False)
    metrics = eval_step(state, images, labels)
    assert int(metrics.count) == 64
    assert int(metrics.sums["accuracy"]) == int((np.argmax(np.asarray(logits), -1) == np.asarray(labels)).sum())
    parts = eval_step(state, images[:24], labels[:24]) + eval_step(state, images[24:], labels[24:])
    np.testing.assert_allclose(parts.loss, metrics.loss, rtol=1e-5)
    assert int(parts.sums["accuracy"]) == int(metrics.sums["accuracy"])


def test_uint8_images_equal_floats_in_0_to_1(sample):
    images, labels = batch(sample)
    state = create_train_state(LeNet(), SGD, jax.random.key(0), SHAPE)
    as_bytes, as_floats = eval_step(state, images, labels), eval_step(state, images / 255, labels)
    np.testing.assert_allclose(as_bytes.loss, as_floats.loss, rtol=1e-6)


def test_images_of_another_integer_type_raise(sample):
    images, labels = batch(sample)
    state = create_train_state(LeNet(), SGD, jax.random.key(0), SHAPE)
    with pytest.raises(ValueError, match="int32"):
        eval_step(state, images.astype(jnp.int32), labels)


def test_training_updates_the_batch_statistics(sample):
    images, labels = batch(sample)
    state = create_train_state(
        LeNet(norm=partial(nn.BatchNorm, momentum=0.9)), optax.sgd(0.1), jax.random.key(0), SHAPE
    )
    trained, _ = train_step(state, images, labels)
    moved = jax.tree.map(lambda a, b: float(jnp.abs(a - b).max()), state.batch_stats, trained.batch_stats)
    assert min(jax.tree.leaves(moved)) > 0


def test_dropout_is_a_function_of_key_and_step(sample):
    images, labels = batch(sample)
    state = create_train_state(Dropout(), optax.sgd(0.0), jax.random.key(0), SHAPE)
    second, first_loss = train_step(state, images, labels)
    _, second_loss = train_step(second, images, labels)
    _, repeated_loss = train_step(state, images, labels)
    assert float(first_loss.loss) == float(repeated_loss.loss) != float(second_loss.loss)
    np.testing.assert_allclose(eval_step(state, images, labels).loss, np.log(10), rtol=1e-6)


def test_one_batch_can_be_memorized(sample):
    images, labels = batch(sample)
    state = create_train_state(LeNet(), optax.adam(0.01), jax.random.key(0), SHAPE)
    for _ in range(200):
        state, metrics = train_step(state, images, labels)
    assert float(metrics.accuracy) > 0.99


def test_metrics_of_no_examples_are_zero():
    zero = zero_metrics(jax.ShapeDtypeStruct((1, 10), jnp.float32), METRICS, (2,))
    assert zero.count.shape == (2,)
    assert sorted(zero.sums) == ["accuracy", "loss", "top_5_accuracy"]
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(zero))


def test_labels_that_are_not_one_integer_for_each_image_raise():
    unchecked = unwrap(compute_metrics)
    with pytest.raises(ValueError, match=r"labels of shape \(7,\) for 8 images"):
        unchecked(jnp.zeros((8, 2)), jnp.zeros(7, jnp.int32))
    with pytest.raises(ValueError, match="labels of type float32: expected integers"):
        unchecked(jnp.zeros((8, 2)), jnp.zeros(8, jnp.float32))


def test_a_metric_without_a_value_for_each_example_raises():
    with pytest.raises(ValueError, match="metric mean: expected a value for each of 4 examples"):
        compute_metrics(jnp.zeros((4, 2)), jnp.zeros(4, jnp.int32), {"mean": lambda logits, _: logits.mean()})


def received():
    """An optimizer that changes nothing and keeps what it gets beside the gradients."""

    def init(params):
        return {"value": 0.0, "later": 0.0, "grad": params}

    def update(updates, state, params=None, *, value, grad, value_fn, **extra):
        step = jax.tree.map(lambda leaf: -0.5 * leaf, grad)
        later = value_fn(optax.apply_updates(params, step))
        return jax.tree.map(jnp.zeros_like, updates), {"value": value, "later": later, "grad": grad}

    return optax.GradientTransformationExtraArgs(init, update)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_optimizer_gets_the_loss_its_function_and_the_gradient(smoothing):
    images, labels = np.zeros((4, 2, 2, 1), np.uint8), np.array([3, 3, 3, 5])
    before = create_train_state(Bias(), received(), 0, (2, 2, 1))
    targets = optax.smooth_labels(jax.nn.one_hot(labels, 10), smoothing)

    def loss(bias):
        return optax.softmax_cross_entropy(jnp.broadcast_to(bias, (4, 10)), targets).mean()

    after, _ = train_step(before, images, labels, label_smoothing=smoothing)
    got: Any = after.opt_state
    expected, slope = jax.value_and_grad(loss)(before.params["bias"])
    np.testing.assert_allclose(got["value"], expected, rtol=1e-5)
    np.testing.assert_allclose(got["grad"]["bias"], slope, rtol=1e-5)
    np.testing.assert_allclose(got["later"], loss(-0.5 * slope), rtol=1e-5)


def test_reduce_on_plateau_reduces_the_rate_of_fit():
    plateau = optax.contrib.reduce_on_plateau(factor=0.5, patience=1, rtol=0.5)  # no loss halves after the first
    images, labels = np.zeros((4, 2, 2, 1), np.uint8), np.arange(4, dtype=np.uint8)
    state = create_train_state(Bias(), optax.chain(optax.sgd(0.1), plateau), 0, (2, 2, 1))
    dataset = data.Dataset(images, labels, images, labels, tuple("abcd"))
    *_, last = fit(state, dataset, num_epochs=4, batch_size=4)
    assert float(last.state.opt_state[-1].scale) == 0.5**3


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.chain(SGD, optax.scale_by_backtracking_linesearch(max_backtracking_steps=2)),
        optax.polyak_sgd(),
        optax.contrib.sam(SGD, SGD, opaque_mode=False),
    ],
)
def test_optimizers_with_few_or_many_arguments_learn(optimizer):
    images, labels = np.zeros((4, 2, 2, 1), np.uint8), np.full(4, 3)
    state = create_train_state(Bias(), optimizer, 0, (2, 2, 1))
    for _ in range(4):
        state, metrics = train_step(state, images, labels)
    assert float(metrics.loss) < 0.99 * np.log(10)
