"""One batch: a step of training, a step of evaluation, and the metrics of either."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jaxtyping import Array, Float, Int, Integer, Shaped

from jaxcnn.data.pipeline import prepare_images
from jaxcnn.training.compilation import compiled
from jaxcnn.training.state import Stream, TrainState, Variables, derive_key


class Metrics(struct.PyTreeNode):
    """Sums over examples, to be added up over batches and devices and divided once.

    The fields are scalars for one batch, or arrays with an entry a step.

    Attributes:
        loss_sum: sum of the examples' cross-entropies, in nats.
        correct: how many examples' largest logit was that of their label.
        count: how many examples there were.

    Examples:
        >>> half = Metrics(jnp.float32(1.5), jnp.int32(1), jnp.int32(2))
        >>> total = half + half
        >>> float(total.loss), float(total.accuracy)
        (0.75, 0.5)
    """

    loss_sum: Float[Array, "*steps"]
    correct: Int[Array, "*steps"]
    count: Int[Array, "*steps"]

    @classmethod
    def zeros(cls, shape: tuple[int, ...] = ()) -> "Metrics":
        """Metrics of no examples."""
        return cls(jnp.zeros(shape), jnp.zeros(shape, jnp.int32), jnp.zeros(shape, jnp.int32))

    @property
    def loss(self) -> Float[Array, "*steps"]:
        """Mean cross-entropy of an example, in nats."""
        return self.loss_sum / self.count

    @property
    def accuracy(self) -> Float[Array, "*steps"]:
        """Share of the examples that were right."""
        return self.correct / self.count

    def __add__(self, other: "Metrics") -> "Metrics":
        return jax.tree.map(jnp.add, self, other)


@compiled(static_argnames="label_smoothing")
def train_step(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    labels: Integer[Array | np.ndarray, " n"],
    *,
    label_smoothing: float = 0.0,
) -> tuple[TrainState, Metrics]:
    """One step of the optimiser on the mean cross-entropy of a batch.

    With label smoothing s and K classes, the cross-entropy is taken against 1 - s + s / K for the label and s / K for
    each other class.

    Args:
        state: the state before the step.
        images: (N, H, W, C) at the network's size: floats in [0, 1], or uint8, which are divided by 255.
        labels: (N,), integers in 0 .. num_classes - 1.
        label_smoothing: s, from 0 to below 1.

    Returns:
        The state after the step, and the batch's metrics before it, with dropout and batch statistics on, against the
        labels as they are.

    References:
        Szegedy and others, Rethinking the Inception Architecture for Computer Vision, 2016, section 7.
    """
    images = prepare_images(images)
    dropout_key = derive_key(state.key, Stream.DROPOUT, state.step)

    def loss_fn(params: Variables) -> tuple[Array, tuple[Variables, Metrics]]:
        logits, updates = state.apply_fn(
            {"params": params, "batch_stats": state.batch_stats},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": dropout_key},
        )
        metrics = _metrics(logits, labels)
        loss = metrics.loss
        if label_smoothing:
            loss += label_smoothing * (_mean_over_classes(logits) - loss)
        return loss, (updates.get("batch_stats", {}), metrics)

    gradients, (batch_stats, metrics) = jax.grad(loss_fn, has_aux=True)(state.params)
    updates, opt_state = state.tx.update(gradients, state.opt_state, state.params)
    state = state.replace(
        step=state.step + 1,
        params=optax.apply_updates(state.params, updates),
        batch_stats=batch_stats,
        opt_state=opt_state,
    )
    return state, metrics


@compiled()
def eval_step(
    state: TrainState, images: Shaped[Array | np.ndarray, "n h w c"], labels: Integer[Array | np.ndarray, " n"]
) -> Metrics:
    """The metrics of a batch in prediction: no dropout, moving statistics.

    Args:
        state: the state to evaluate.
        images: (N, H, W, C) at the network's size: floats in [0, 1], or uint8, which are divided by 255.
        labels: (N,), integers in 0 .. num_classes - 1.
    """
    return _metrics(state.apply_fn(state.variables, prepare_images(images), train=False), labels)


def _metrics(logits: Float[Array, "n classes"], labels: Integer[Array | np.ndarray, " n"]) -> Metrics:
    losses = optax.softmax_cross_entropy_with_integer_labels(_widened(logits), labels)
    correct = jnp.sum(jnp.argmax(logits, axis=-1) == labels, dtype=jnp.int32)
    return Metrics(losses.sum(), correct, jnp.int32(labels.size))


def _mean_over_classes(logits: Float[Array, "n classes"]) -> Float[Array, ""]:
    """Mean of the cross-entropies that the examples would have under each of the labels."""
    return -jax.nn.log_softmax(_widened(logits)).mean()


def _widened(logits: Float[Array, "n classes"]) -> Float[Array, "n classes"]:
    """In float32 at least."""
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
