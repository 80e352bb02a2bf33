"""The loss that training minimizes: cross-entropy with label smoothing, class weights and mixed labels."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from jaxcnn.ops.arguments import widen
from jaxcnn.training.metrics import cross_entropy, valid_labels


def mean_loss(
    logits: Float[Array, "n classes"],
    labels: Integer[Array, " n"],
    *,
    label_smoothing: float | int = 0.0,
    class_weights: Sequence[float] | None = None,
    other_labels: Integer[Array, " n"] | None = None,
    shares: Float[Array, " n"] | None = None,
) -> Float[Array, ""]:
    """The loss of a batch, in float32 at least.

        (1 / N) * sum over i of  share_i * loss(i, label_i) + (1 - share_i) * loss(i, other_label_i)

        loss(i, y) = weight_y * ((1 - s) * -log p_i[y]  +  s * mean over classes k of -log p_i[k])

    with p_i = softmax(logits_i) and the label smoothing s. Weights and shares are 1 unless given.

    Args:
        logits: (N, K).
        labels: (N,), integers in 0 .. K - 1; any other makes the loss NaN.
        label_smoothing: s, 0 or more and less than 1.
        class_weights: K numbers, 0 or more; None for 1 each.
        other_labels: (N,), the second labels of mixed images; None for none.
        shares: (N,), from 0 to 1, the shares of `labels` in the target; None for 1 each.

    Examples:
        >>> logits, labels = jnp.array([[2.0, 0.0], [3.0, 0.0]]), jnp.array([0, 1])
        >>> round(float(mean_loss(logits, labels)), 3)
        1.588
        >>> round(float(mean_loss(logits, labels, class_weights=(2.0, 0.0))), 3)
        0.127

    References:
        Szegedy and others, Rethinking the Inception Architecture for Computer Vision, 2016, section 7 (label
        smoothing); Zhang and others, mixup, 2018 (mixed labels).
    """
    logits = logits.astype(widen(logits.dtype))
    weights = None if class_weights is None else jnp.asarray(class_weights, logits.dtype)

    def of_labels(labels: Integer[Array, " n"], shares: Float[Array, " n"] | None) -> Float[Array, ""]:
        """The part of the loss that is due to `labels`."""
        labels = valid_labels(labels, logits.shape[-1])
        factors = [*([] if weights is None else [weights[labels]]), *([] if shares is None else [shares])]
        loss = math.prod(factors, start=cross_entropy(logits, labels)).mean()
        if label_smoothing:
            uniform = -jax.nn.log_softmax(logits)
            uniform = math.prod(factors, start=uniform.mean(axis=-1)) if factors else uniform
            loss = (1 - label_smoothing) * loss + label_smoothing * uniform.mean()
        return loss

    if other_labels is None or shares is None:
        return of_labels(labels, None)
    return of_labels(labels, shares) + of_labels(other_labels, 1 - shares)


def check_class_weights(class_weights: Sequence[float], num_classes: int) -> None:
    """Check that there is a weight for each of `num_classes` outputs, all 0 or more and not all 0.

    Raises:
        ValueError: if not.
    """
    if len(class_weights) != num_classes:
        raise ValueError(f"{len(class_weights)} class weights for {num_classes} classes: expected one for each")
    if not all(0 <= weight < float("inf") for weight in class_weights) or not any(class_weights):
        raise ValueError(f"class weights {class_weights}: expected finite numbers, 0 or more and not all 0")
