"""Metrics: named functions of logits and labels, summed over examples and divided once."""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from flax.core import FrozenDict
from jaxtyping import Array, Bool, Float, Int, Integer, Num

from jaxcnn.errors import InputError, first_line
from jaxcnn.ops.arguments import widen
from jaxcnn.training.batches import check_labels

Metric = Callable[[Array, Array], Array | None]
"""A function of logits (N, K), float32, and labels (N,): the metric of each example, (N,), numbers or booleans.

It returns None where it is not defined for K classes.
"""


class Metrics(struct.PyTreeNode):
    """Sums over examples, added up over batches and devices and divided once.

    Attributes:
        sums: by name, the sum of the metric over the examples: a scalar for a batch, or an array with an entry a step.
        counts: by name, the number of examples in the sum.

    Examples:
        >>> half = Metrics({"loss": jnp.float32(1.5)}, {"loss": jnp.int32(2)})
        >>> total = half + half
        >>> float(total.loss), int(total.count)
        (0.75, 4)
    """

    sums: dict[str, Num[Array, "*steps"]]
    counts: dict[str, Integer[Array, "*steps"]]

    def __getitem__(self, name: str) -> Float[Array, "*steps"]:
        """Mean of the metric `name` over its examples."""
        total, count = self.sums[name], self.counts[name]
        wide = widen(total.dtype)
        return total.astype(wide) / count.astype(wide)

    def __add__(self, other: "Metrics") -> "Metrics":
        return jax.tree.map(jnp.add, self, other)

    @property
    def loss(self) -> Float[Array, "*steps"]:
        """Mean cross-entropy of an example, in nats."""
        return self["loss"]

    @property
    def accuracy(self) -> Float[Array, "*steps"]:
        """Share of the examples whose largest logit is that of their label."""
        return self["accuracy"]

    @property
    def count(self) -> Integer[Array, "*steps"]:
        """Number of examples."""
        return self.counts["loss"]

    def with_gradient_norm(self, norm: Array | float) -> "Metrics":
        """These with the norm of a step's gradients, which counts once a step and not once an example."""
        sums = jnp.broadcast_to(jnp.asarray(norm, jnp.float32), self.count.shape)
        counts = jnp.minimum(self.count, 1)
        return Metrics({**self.sums, "gradient_norm": sums}, {**self.counts, "gradient_norm": counts})

    def means(self) -> dict[str, Float[Array, "*steps"]]:
        """Mean of each metric, by name."""
        return {name: self[name] for name in self.sums}


def cross_entropy(logits: Float[Array, "n classes"], labels: Integer[Array, " n"]) -> Float[Array, " n"]:
    """Cross-entropy of each example, -log softmax(logits)[label], in nats."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def is_correct(logits: Float[Array, "n classes"], labels: Integer[Array, " n"]) -> Bool[Array, " n"]:
    """Whether the largest logit is that of the label; of equal logits the first counts, and NaN never."""
    own = jnp.take_along_axis(logits, labels[:, None], axis=-1)[:, 0]
    return (jnp.argmax(logits, axis=-1) == labels) & ~jnp.isnan(own)


def is_in_top_5(logits: Float[Array, "n classes"], labels: Integer[Array, " n"]) -> Bool[Array, " n"] | None:
    """Whether fewer than five classes have a larger logit than the label; None for five classes or fewer."""
    if logits.shape[-1] <= 5:
        return None
    own = jnp.take_along_axis(logits, labels[:, None], axis=-1)
    return (jnp.sum(logits > own, axis=-1) < 5) & ~jnp.isnan(own[:, 0])


METRICS: Mapping[str, Metric] = MappingProxyType(
    {"loss": cross_entropy, "accuracy": is_correct, "top_5_accuracy": is_in_top_5}
)
"""The metrics of every training and evaluation step, by name."""

RESERVED = {
    *METRICS, "gradient_norm", "learning_rate", "step", "epoch", "seconds", "images_per_second", "compile_seconds"
}  # fmt: skip
"""Names that a further metric cannot have, because records use them."""


def standard_deviation(values: Sequence[float]) -> float:
    """The standard deviation, with denominator n - 1. It is 0 for a single value, and NaN if a value is not finite."""
    if len(values) == 1:
        return 0.0
    return float(np.std(values, ddof=1)) if np.isfinite(values).all() else math.nan


def check_metrics(metrics: Mapping[str, Metric]) -> FrozenDict[str, Metric]:
    """The further metrics `metrics`, checked.

    Raises:
        InputError: if it is not a mapping from new names to functions, or a function does not return a number for each
            example.
    """
    if not isinstance(metrics, Mapping):
        raise InputError(f"metrics {metrics!r}: expected a mapping from names to functions")
    for name, function in metrics.items():
        if not (isinstance(name, str) and name.isidentifier()) or name in RESERVED:
            raise InputError(f"metric {name!r}: the name is in use or not an identifier; choose another")
        logits, labels = jax.ShapeDtypeStruct((3, 10), jnp.float32), jax.ShapeDtypeStruct((3,), jnp.int32)
        try:
            values = jax.eval_shape(function, logits, labels)
        except Exception as error:  # whatever the function raises
            raise InputError(
                f"metric {name!r} failed ({first_line(error)}): expected a function of logits (N, K) and labels (N,)"
            ) from error
        is_real = values is None or (
            hasattr(values, "shape") and values.shape == (3,) and not jnp.issubdtype(values.dtype, jnp.complexfloating)
        )
        if not is_real:
            shape = getattr(values, "shape", type(values).__name__)
            raise InputError(
                f"metric {name!r} returned {shape} for 3 examples: expected an array (N,) of numbers or booleans"
            )
    return FrozenDict(metrics)


def compute_metrics(
    logits: Float[Array, "n classes"],
    labels: Integer[Array | np.ndarray, " n"],
    metrics: Mapping[str, Metric] = METRICS,
) -> Metrics:
    """The metrics of a batch.

    Args:
        logits: (N, K); converted to float32 if they are narrower.
        labels: (N,), integers in 0 .. K - 1. Any other label raises an error in a NumPy array. In a JAX array, whose
            values are not read, it makes the loss NaN; the functions get K in its place.
        metrics: the functions, by name. Booleans are counted as integers; numbers are summed in float32 at least.

    Returns:
        Sums and counts of those that are defined for K classes.

    Raises:
        ValueError: if the logits are not (N, K), the labels are not one class for each image, or a metric is not one
            value for each.

    Examples:
        >>> logits, labels = jnp.array([[2.0, 0.0], [3.0, 0.0]]), jnp.array([0, 1])
        >>> {name: round(float(mean), 3) for name, mean in compute_metrics(logits, labels).means().items()}
        {'loss': 1.588, 'accuracy': 0.5}
    """
    if logits.ndim != 2:
        raise ValueError(f"logits of shape {logits.shape}: expected (N, K)")
    labels = labels if isinstance(labels, Array) else np.asarray(labels)
    if labels.shape != logits.shape[:1]:
        raise ValueError(f"labels of shape {labels.shape} for {len(logits)} images: expected one for each image")
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(f"labels of type {labels.dtype}: expected integers")
    num_classes = logits.shape[-1]
    if isinstance(labels, np.ndarray):
        check_labels(labels, num_classes)
    logits = logits.astype(widen(logits.dtype))
    labels = valid_labels(jnp.asarray(labels), num_classes)
    sums = {}
    for name, function in metrics.items():
        values = function(logits, labels)
        if values is None:
            continue
        if values.shape != labels.shape:
            raise ValueError(f"metric {name}: expected a value for each of {labels.size} examples, got {values.shape}")
        wide = jnp.int32 if values.dtype == bool else widen(values.dtype)
        sums[name] = jnp.sum(values, dtype=wide)
    return Metrics(sums, dict.fromkeys(sums, jnp.int32(labels.size)))


def valid_labels(labels: Integer[Array, " n"], num_classes: int) -> Int[Array, " n"]:
    """Replace invalid labels by K, the number of classes, because a negative index would count from the end."""
    labels = labels.astype(int)
    return jnp.where((labels >= 0) & (labels < num_classes), labels, num_classes)


def zero_metrics(logits: jax.ShapeDtypeStruct, metrics: Mapping[str, Metric], shape: tuple[int, ...] = ()) -> Metrics:
    """The metrics of no examples.

    Args:
        logits: shape (N, K) and type of the network's output.
        metrics: the functions, by name.
        shape: of each entry, such as (steps,).
    """

    def parts(logits: Array, labels: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        of_batch = compute_metrics(logits, labels, metrics)
        return of_batch.sums, of_batch.counts

    labels = jax.ShapeDtypeStruct(logits.shape[:1], jnp.int32)
    abstract = jax.eval_shape(parts, logits, labels)
    return Metrics(*jax.tree.map(lambda entry: jnp.zeros(shape, entry.dtype), abstract))
