"""One batch: a step of training, and a step of evaluation."""

import math
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.core import FrozenDict
from jaxtyping import Array, Integer, Shaped

from jaxcnn.data.augmentation import Mixing
from jaxcnn.data.pipeline import prepare_images
from jaxcnn.training.accumulation import Batch, accumulated_value, accumulated_value_and_grad
from jaxcnn.training.batches import abstract_logits, check_batch
from jaxcnn.training.compilation import compiled
from jaxcnn.training.losses import check_class_weights, mean_loss
from jaxcnn.training.metrics import METRICS, RESERVED, Metric, Metrics, compute_metrics
from jaxcnn.training.state import RngStream, TrainState, Variables, derive_key, update_ema


def train_step(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    labels: Integer[Array | np.ndarray, " n"],
    *,
    label_smoothing: float | int = 0.0,
    class_weights: Sequence[float] | None = None,
    mixing: Mixing | None = None,
    metrics: Mapping[str, Metric] = FrozenDict(),
    accumulate: int = 1,
) -> tuple[TrainState, Metrics]:
    """One step of the optimizer on the loss of a batch, which `losses.mean_loss` defines.

    The optimizer gets optax's extra arguments: `value`, the loss that is differentiated; `grad`, its gradients; and
    `value_fn`, this loss as a function of the parameters.

    Args:
        state: the state before the step.
        images: (N, H, W, C) at the network's size, with N of 1 or more: uint8, which are divided by 255, or floats, in
            [0, 1] for the networks of `jaxcnn.models`. A NumPy array of floats raises an error if it has NaN or
            infinity, or values above 2 and none below 0, which are unscaled pixels.
        labels: (N,), integers in 0 .. num_classes - 1. Any other label raises an error in a NumPy array. In a JAX
            array, whose values are not read, it makes the metric `loss` NaN.
        label_smoothing: s, 0 or more and less than 1. With K classes, the target of the cross-entropy is 1 - s + s / K
            for the label and s / K for every other class.
        class_weights: K numbers, 0 or more, the weights of the losses of the classes; None for 1 each.
        mixing: mixes images and labels, such as `data.Mixup(0.2)`, with random numbers of the step; None for no mixing.
        metrics: further metrics beside `METRICS`: functions by name, in a hashable mapping such as Flax's FrozenDict.
        accumulate: the number of micro-batches whose gradients are computed one by one and averaged, which needs less
            memory. They have the same size, so their number is the greatest common divisor of `accumulate` and N. Each
            has its own dropout masks, and batch norm normalizes each separately.

    Returns:
        The state after the step, and the batch's metrics before the step, computed in training mode and against the
        labels without smoothing, weights and mixing; a mixed image is compared with its own label. Their
        `gradient_norm` is the norm of all gradients together, before any clipping.

    Raises:
        TypeError: if an argument is not a state or an array.
        ValueError: if the state is that of an ensemble, an array is not as above, there are no images,
            an option is out of its range, or a metric has a name that is in use.
    """
    check_batch(state, images, labels)
    if len(images) == 0:
        raise ValueError(f"images of shape {images.shape}: expected one or more; the mean loss of none is undefined")
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing {label_smoothing}: expected 0 or more, and less than 1")
    if class_weights is not None:
        check_class_weights(class_weights, abstract_logits(state, images.shape[1:]).shape[-1])
    if accumulate < 1:
        raise ValueError(f"accumulate {accumulate}: expected 1 or more")
    return _train_step(
        state,
        images,
        labels,
        label_smoothing=label_smoothing,
        class_weights=None if class_weights is None else tuple(map(float, class_weights)),
        mixing=mixing,
        metrics=_with_further(metrics),
        accumulate=accumulate,
    )


@compiled(static_argnames=("label_smoothing", "class_weights", "mixing", "metrics", "accumulate"))
def _train_step(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    labels: Integer[Array | np.ndarray, " n"],
    *,
    label_smoothing: float | int,
    class_weights: tuple[float, ...] | None,
    mixing: Mixing | None,
    metrics: Mapping[str, Metric],
    accumulate: int,
) -> tuple[TrainState, Metrics]:
    """`train_step` without its checks, compiled."""
    images = prepare_images(images)
    dropout_key = derive_key(state.key, RngStream.DROPOUT, state.step)
    count = math.gcd(len(images), accumulate)

    def loss_fn(params: Variables, batch_stats: Variables, batch: Batch) -> tuple[Array, tuple[Variables, Metrics]]:
        logits, updates = state.apply_fn(
            {"params": params, "batch_stats": batch_stats},
            batch.images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": batch.dropout_key},
        )
        loss = mean_loss(
            logits,
            batch.labels,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
            other_labels=batch.other_labels,
            shares=batch.shares,
        )
        return loss, (updates.get("batch_stats", {}), compute_metrics(logits, batch.labels, metrics))

    batch = Batch(images, jnp.asarray(labels), dropout_key)
    if mixing is not None:
        mixed = mixing(derive_key(state.key, RngStream.MIXING, state.step), images, batch.labels)
        batch = batch._replace(**mixed._asdict())
    value_and_grad = accumulated_value_and_grad(loss_fn, count)
    (loss, (batch_stats, of_batch)), gradients = value_and_grad(state.params, state.batch_stats, batch)
    extra = _accepted(
        state.tx.update,
        value=loss,
        grad=gradients,
        value_fn=lambda params: accumulated_value(loss_fn, count)(params, state.batch_stats, batch),
    )
    with jax.numpy_dtype_promotion("standard"):  # optax mixes integers and floats, which JAX's strict mode refuses
        updates, opt_state = state.tx.update(gradients, state.opt_state, state.params, **extra)
    state = state.replace(
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        batch_stats=batch_stats,
        opt_state=opt_state,
    )
    if state.ema is not None and state.ema_decay is not None:
        state = state.replace(ema=update_ema(state.ema, state.variables, state.ema_decay, state.step))
    return state, of_batch.with_gradient_norm(optax.tree.norm(gradients))


def eval_step(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    labels: Integer[Array | np.ndarray, " n"],
    *,
    metrics: Mapping[str, Metric] = FrozenDict(),
) -> Metrics:
    """The metrics of a batch in evaluation mode: without dropout, with the moving statistics, and with `state.ema`.

    Args:
        state: the state to evaluate.
        images: as for `train_step`; there may be none.
        labels: as for `train_step`.
        metrics: as for `train_step`.

    Raises:
        TypeError: as for `train_step`.
        ValueError: if the state is that of an ensemble, or an array is not as for `train_step`.
    """
    check_batch(state, images, labels)
    return _eval_step(state, images, labels, metrics=_with_further(metrics))


@compiled(static_argnames="metrics")
def _eval_step(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    labels: Integer[Array | np.ndarray, " n"],
    *,
    metrics: Mapping[str, Metric],
) -> Metrics:
    """`eval_step` without its checks, compiled."""
    logits = state.apply_fn(state.eval_variables, prepare_images(images), train=False)
    return compute_metrics(logits, labels, metrics)


def _with_further(metrics: Mapping[str, Metric]) -> FrozenDict[str, Metric]:
    """`METRICS` and the further metrics `metrics`.

    Raises:
        ValueError: if one of these has a name that is in use.
    """
    if taken := RESERVED & set(metrics):
        raise ValueError(f"metrics {', '.join(sorted(taken))}: the name is in use; choose another")
    return FrozenDict({**METRICS, **metrics})


def _accepted(update: Callable[..., Any], **extra: Any) -> dict[str, Any]:
    """The arguments in `extra` that `update` accepts. Some optimizers do not accept any others, as optax requires."""
    parameters = signature(update).parameters
    if any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return extra
    return {name: value for name, value in extra.items() if name in parameters}
