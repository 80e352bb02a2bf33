"""What the functions of training accept as states, images and labels, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from flax.core import FrozenDict

from jaxcnn import data
from jaxcnn.training import (
    METRICS,
    compute_metrics,
    create_train_state,
    eval_step,
    evaluate,
    fit,
    fit_ensemble,
    fit_in_chunks,
    predict,
    stack_members,
    train_step,
)

pytestmark = pytest.mark.usefixtures("without_type_checks", "with_nans")

IMAGES = np.random.default_rng(0).random((8, 2, 2, 1)).astype(np.float32)
LABELS = np.arange(8) % 7  # of seven classes
SGD = optax.sgd(0.1)

takes_a_batch = pytest.mark.parametrize("function", [train_step, eval_step, evaluate])


class Linear(nn.Module):
    """The smallest network: one dense layer."""

    num_classes: int = 7

    @nn.compact
    def __call__(self, x, *, train):  # noqa: ARG002
        return nn.Dense(self.num_classes)(x.reshape(x.shape[0], 4))


def state_of(model, key=0):
    return create_train_state(model, SGD, key, (2, 2, 1))


@pytest.fixture(scope="module")
def state():
    return state_of(Linear())


@takes_a_batch
@pytest.mark.parametrize("array", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("labels", [LABELS[:1], LABELS[:7], LABELS[:, None]])
def test_one_label_for_each_image_is_expected(state, function, array, labels):
    message = (
        rf"labels of shape \({', '.join(map(str, labels.shape))},?\) for images of shape \(8, 2, 2, 1\): expected one"
    )
    with pytest.raises(ValueError, match=message):
        function(state, array(IMAGES), array(labels))


@takes_a_batch
def test_images_without_a_channel_axis_raise(state, function):
    with pytest.raises(ValueError, match=r"images of shape \(8, 2, 2\): expected \(N, H, W, C\)"):
        function(state, IMAGES[..., 0], LABELS)


@takes_a_batch
def test_labels_that_are_not_integers_raise(state, function):
    with pytest.raises(ValueError, match="labels of type float32: expected integers"):
        function(state, IMAGES, LABELS.astype(np.float32))


@takes_a_batch
@pytest.mark.parametrize("wrong", [-1, 7, 2**32])
def test_a_label_that_is_no_class_raises(state, function, wrong):
    labels = np.array([*LABELS[:7], wrong])
    message = rf"labels from {min(0, wrong)} to {max(6, wrong)} for a network with 7 outputs: expected 0 to 6"
    with pytest.raises(ValueError, match=message):
        function(state, IMAGES, labels)
    with pytest.raises(ValueError, match=message):
        compute_metrics(jnp.zeros((8, 7)), labels)


@takes_a_batch
def test_a_network_with_fewer_outputs_than_labels_raises(function):
    with pytest.raises(ValueError, match="labels from 0 to 6 for a network with 5 outputs: expected 0 to 4"):
        function(state_of(Linear(5)), IMAGES, LABELS)


@pytest.mark.parametrize("function", [fit, fit_in_chunks, fit_ensemble])
def test_a_network_with_fewer_outputs_than_classes_raises(function):
    dataset = data.Dataset.from_arrays(IMAGES, LABELS, IMAGES, LABELS)
    state = state_of(Linear(5))
    with pytest.raises(ValueError, match="a network with 5 outputs for 7 classes: expected 7 or more"):
        function(stack_members([state]) if function is fit_ensemble else state, dataset, num_epochs=1, batch_size=4)


@pytest.mark.parametrize("wrong", [-1, 7, 255])
@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.int32])
def test_a_traced_label_that_is_no_class_makes_the_loss_nan(wrong, dtype):
    labels = np.array([0, wrong], np.int64).astype(dtype)  # 255 is -1 as int8, and -1 is 255 as uint8
    logits = jnp.array([[3.0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 3.0]])  # the last class is predicted second
    metrics = jax.jit(compute_metrics)(logits, jnp.asarray(labels))
    assert np.isnan(metrics.loss)
    assert int(metrics.sums["accuracy"]) == int(metrics.sums["top_5_accuracy"]) == 1


def test_logits_that_are_nan_are_never_correct():
    metrics = compute_metrics(jnp.full((2, 7), jnp.nan), jnp.array([0, 3]))
    assert int(metrics.sums["accuracy"]) == int(metrics.sums["top_5_accuracy"]) == 0


def test_a_label_on_the_device_that_is_no_class_makes_the_loss_nan(state):
    for wrong in (-1, 7):
        labels = jnp.asarray(LABELS).at[3].set(wrong)
        assert np.isnan(train_step(state, IMAGES, labels)[1].loss)
        assert np.isnan(train_step(state, IMAGES, labels, label_smoothing=0.1)[1].loss)
        assert np.isnan(eval_step(state, IMAGES, labels).loss)


@takes_a_batch
def test_pixels_to_255_as_floats_raise(state, function):
    bytes_as_floats = (255 * IMAGES).round()
    with pytest.raises(ValueError, match=r"floats from \d+ to 2\d\d: expected values in \[0, 1\].* as uint8"):
        function(state, bytes_as_floats, LABELS)


@takes_a_batch
def test_images_with_nan_raise(state, function):
    with pytest.raises(ValueError, match="floats from nan to nan: expected"):
        function(state, np.where(IMAGES > 0.9, np.nan, IMAGES), LABELS)


def test_steps_take_normalized_floats(state):
    normalized = (255 * IMAGES - 127) / 30
    assert np.isfinite(train_step(state, normalized, LABELS)[1].loss)
    assert np.isfinite(eval_step(state, normalized, LABELS).loss)
    with pytest.raises(ValueError, match="normalized images to eval_step"):
        evaluate(state, normalized, LABELS)


def test_no_images_have_no_metrics_and_no_predictions(state):
    for metrics in (eval_step(state, IMAGES[:0], LABELS[:0]), evaluate(state, IMAGES[:0], LABELS[:0])):
        assert int(metrics.count) == 0
        assert float(metrics.sums["loss"]) == 0
    assert predict(state, IMAGES[:0]).shape == (0, 7)


def test_a_training_step_without_images_raises(state):
    with pytest.raises(ValueError, match=r"images of shape \(0, 2, 2, 1\): expected one or more"):
        train_step(state, IMAGES[:0], LABELS[:0])


@takes_a_batch
def test_other_kinds_of_arguments_raise(state, function):
    with pytest.raises(TypeError, match="images of type list: expected a JAX or NumPy array"):
        function(state, IMAGES.tolist(), LABELS)
    with pytest.raises(TypeError, match="labels of type list: expected a JAX or NumPy array"):
        function(state, IMAGES, LABELS.tolist())
    with pytest.raises(TypeError, match="state of type dict: expected a TrainState"):
        function(state.params, IMAGES, LABELS)
    with pytest.raises(ValueError, match="a stacked state of 2 runs: expected that of one run"):
        function(stack_members([state, state]), IMAGES, LABELS)


@pytest.mark.parametrize("function", [train_step, eval_step])
def test_a_further_metric_with_a_name_in_use_raises(state, function):
    with pytest.raises(ValueError, match="metrics loss: the name is in use; choose another"):
        function(state, IMAGES, LABELS, metrics=FrozenDict({"loss": METRICS["accuracy"]}))


def test_a_network_without_logits_raises():
    class NoLogits(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):  # noqa: ARG002
            return nn.Dense(7)(x)

    with pytest.raises(ValueError, match=r"returned \(1, 2, 2, 7\) for an image \(2, 2, 1\): expected logits"):
        train_step(state_of(NoLogits()), IMAGES, LABELS)


def test_checks_apply_while_jax_traces(state):
    with pytest.raises(ValueError, match=r"labels of shape \(1,\) for images of shape \(8, 2, 2, 1\)"):
        jax.eval_shape(train_step, state, IMAGES, jnp.asarray(LABELS[:1]))
    losses = jax.vmap(lambda images: train_step(state, images, LABELS)[1].loss)(jnp.stack([IMAGES, IMAGES]))
    assert losses.shape == (2,)
