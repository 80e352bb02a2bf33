"""One batch: a step of training, and a step of evaluation."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.core import FrozenDict
from jaxtyping import Array, Float, Integer, Shaped

from jaxcnn.data.pipeline import prepare_images
from jaxcnn.training.compilation import compiled
from jaxcnn.training.metrics import METRICS, RESERVED, Metric, Metrics, compute_metrics
from jaxcnn.training.state import RngStream, TrainState, Variables, derive_key


@compiled(static_argnames=("label_smoothing", "metrics"))
def train_step(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    labels: Integer[Array | np.ndarray, " n"],
    *,
    label_smoothing: float | int = 0.0,
    metrics: Mapping[str, Metric] = FrozenDict(),
) -> tuple[TrainState, Metrics]:
    """One step of the optimizer on the mean cross-entropy of a batch.

    With label smoothing s and K classes, the target of the cross-entropy is 1 - s + s / K for the label and s / K for
    every other class.

    Args:
        state: the state before the step.
        images: (N, H, W, C) at the network's size: floats in [0, 1], or uint8, which are divided by 255.
        labels: (N,), integers in 0 .. num_classes - 1.
        label_smoothing: s, 0 or more and less than 1.
        metrics: further metrics beside `METRICS`: functions by name, in a hashable mapping such as Flax's FrozenDict.

    Returns:
        The state after the step, and the batch's metrics before the step, computed in training mode and against the
        labels without smoothing. Their `gradient_norm` is the norm of all gradients together, before any clipping.

    References:
        Szegedy and others, Rethinking the Inception Architecture for Computer Vision, 2016, section 7.
    """
    if RESERVED & set(metrics):
        raise ValueError(f"metrics {', '.join(metrics)}: a name is in use; choose another")
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing {label_smoothing}: expected 0 or more, and less than 1")
    images = prepare_images(images)
    dropout_key = derive_key(state.key, RngStream.DROPOUT, state.step)

    def loss_fn(params: Variables) -> tuple[Array, tuple[Variables, Metrics]]:
        logits, updates = state.apply_fn(
            {"params": params, "batch_stats": state.batch_stats},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": dropout_key},
        )
        of_batch = compute_metrics(logits, labels, {**METRICS, **metrics})
        loss = _smoothed_loss(logits, labels, label_smoothing) if label_smoothing else of_batch.loss
        return loss, (updates.get("batch_stats", {}), of_batch)

    gradients, (batch_stats, of_batch) = jax.grad(loss_fn, has_aux=True)(state.params)
    updates, opt_state = state.tx.update(gradients, state.opt_state, state.params)
    state = state.replace(
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        batch_stats=batch_stats,
        opt_state=opt_state,
    )
    return state, of_batch.with_gradient_norm(optax.tree.norm(gradients))


@compiled(static_argnames="metrics")
def eval_step(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    labels: Integer[Array | np.ndarray, " n"],
    *,
    metrics: Mapping[str, Metric] = FrozenDict(),
) -> Metrics:
    """The metrics of a batch in evaluation mode: without dropout, with the moving statistics.

    Args:
        state: the state to evaluate.
        images: (N, H, W, C) at the network's size: floats in [0, 1], or uint8, which are divided by 255.
        labels: (N,), integers in 0 .. num_classes - 1.
        metrics: as for `train_step`.
    """
    logits = state.apply_fn(state.variables, prepare_images(images), train=False)
    return compute_metrics(logits, labels, {**METRICS, **metrics})


def _smoothed_loss(
    logits: Float[Array, "n classes"], labels: Integer[Array | np.ndarray, " n"], smoothing: float | int
) -> Float[Array, ""]:
    """Mean cross-entropy with smoothed labels, computed in float32 at least."""
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1], dtype=logits.dtype), smoothing)
    return optax.softmax_cross_entropy(logits, targets).mean()
