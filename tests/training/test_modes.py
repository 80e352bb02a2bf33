"""Training under JAX's modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from modes import MODES, every_mode
from networks import Small

from jaxcnn import layers, models
from jaxcnn.data import Dataset, Normalization, parse_augmentation
from jaxcnn.recipes import Recipe
from jaxcnn.training import create_train_state, evaluate, fit, predict, train_step

AUGMENTATION, MIXING = parse_augmentation("flip,shift:1,rotate:20,brightness:0.2,erase:0.5,cutout:2,mixup:0.2,cutmix:1")
RECIPE = Recipe(
    "small", Small(), 7, 0.01, batch_size=4, num_epochs=1, warmup_epochs=0.5, schedule="cosine", weight_decay=0.1,
    label_smoothing=0.1, augmentation=AUGMENTATION, mixing=MIXING, class_weights=(2.0, 0.0, *[1.0] * 8), clip_norm=1.0,
    optimizer="adamw", accumulate=2, ema_decay=0.9,
)  # fmt: skip
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 7, 7, 1)).astype(np.uint8)
LABELS = np.arange(8, dtype=np.uint8)
DATASET = Dataset(IMAGES, LABELS, IMAGES, LABELS, tuple("abcdefghij"))


def trained():
    """Metrics, predictions and state of one epoch."""
    state = create_train_state(RECIPE.model, RECIPE.make_optimizer(8), 0, (7, 7, 1)).with_ema(0.9)
    state = state.with_normalization(Normalization((0.5,), (0.3,)))
    (epoch,) = fit(state, DATASET, RECIPE.fit_options())
    metrics = evaluate(epoch.state, IMAGES / np.float32(255), LABELS, batch_size=4)
    rates = [RECIPE.learning_rate_at(step, 8) for step in range(3)]
    return (
        {**epoch.metrics, "loss": metrics.loss, "rates": rates},
        predict(epoch.state, IMAGES, batch_size=4),
        epoch.state,
    )


@pytest.fixture(scope="module")
def expected():
    return trained()


@every_mode
def test_an_epoch_gives_the_same_result(expected, mode):
    with mode():
        metrics, predictions, state = trained()
    assert {leaf.dtype for leaf in jax.tree.leaves(state.variables)} == {jnp.dtype(jnp.float32)}
    assert np.isfinite(predictions).all()
    np.testing.assert_allclose(metrics["rates"], expected[0]["rates"], rtol=1e-6)
    if mode is not MODES["x64"]:  # its random numbers are others
        np.testing.assert_allclose(predictions, expected[1], rtol=1e-5)
        for name, value in metrics.items():
            np.testing.assert_allclose(value, expected[0][name], rtol=1e-5, err_msg=name)


@every_mode
@pytest.mark.parametrize(
    "model",
    [
        models.LeNet(norm=layers.scratch_batch_norm),
        models.LeNet(norm=layers.scratch_batch_norm, dtype=jnp.bfloat16),  # Flax's own fails under strict promotion
        models.AlexNet(dtype=jnp.bfloat16),
        models.ResNet(stage_sizes=(1, 1)),
        models.DenseNet(block_sizes=(1, 1)),
    ],
    ids=["lenet", "lenet in bfloat16", "alexnet in bfloat16", "resnet", "densenet"],
)
def test_networks_compute_in_their_own_type(mode, model):
    def trace():
        images, labels = jnp.zeros((2, 67, 67, 1)), jnp.zeros(2, jnp.int32)
        state = create_train_state(model, RECIPE.make_optimizer(8), 0, (67, 67, 1))
        after, metrics = train_step(state, images, labels)
        return state.apply_fn(state.variables, images, train=False), after.params, metrics.sums["loss"]

    with mode():
        logits, params, loss = jax.eval_shape(trace)
    assert logits.dtype == model.dtype
    assert {leaf.dtype for leaf in jax.tree.leaves((params, loss))} == {jnp.dtype(jnp.float32)}
