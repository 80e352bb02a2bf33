"""The state of a training run: all that a step reads and writes."""

import enum
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax import struct
from jax.core import Tracer
from jaxtyping import Array, Int, Key, PRNGKeyArray

Variables = dict[str, Any]


class RngStream(enum.IntEnum):
    """The uses of random numbers, each with its own keys."""

    INITIALIZATION = 0
    DROPOUT = 1
    ORDER = 2
    AUGMENTATION = 3
    MIXING = 4


def derive_key(key: PRNGKeyArray, stream: RngStream, index: int | Int[Array, ""] = 0) -> PRNGKeyArray:
    """The key of `stream` at step or epoch `index`, a pure function of its arguments."""
    return jax.random.fold_in(jax.random.fold_in(key, stream), index)


class TrainState(struct.PyTreeNode):
    """Parameters, statistics and optimizer state after `step` steps, as one pytree.

    Attributes:
        step: number of steps taken, int32.
        params: the parameters; the optimizer changes these alone.
        batch_stats: the moving statistics of batch norm; empty for networks without batch norm.
        opt_state: the state of the optimizer.
        key: the run's key. It stays the same; every use of random numbers derives its own key from it.
        apply_fn: the network's `apply`.
        tx: the optimizer.
        ema: the exponential moving average of {'params', 'batch_stats'}; None for none. `with_ema` starts it.
        ema_decay: its decay; None for none.

    All but `apply_fn`, `tx` and `ema_decay` have a leading member axis in an ensemble.
    """

    step: Int[Array, "..."]
    params: Variables
    batch_stats: Variables
    opt_state: optax.OptState
    key: Key[Array, "..."]
    apply_fn: Callable[..., Any] = struct.field(pytree_node=False)
    tx: optax.GradientTransformation = struct.field(pytree_node=False)
    ema: Variables | None = None
    ema_decay: float | None = struct.field(default=None, pytree_node=False)

    @property
    def variables(self) -> Variables:
        """The variables for the network's `apply` in training: {'params', 'batch_stats'}."""
        return {"params": self.params, "batch_stats": self.batch_stats}

    @property
    def eval_variables(self) -> Variables:
        """The variables for evaluation, prediction and export: `ema` if there is one, else `variables`."""
        return self.variables if self.ema is None else self.ema

    def with_ema(self, decay: float) -> "TrainState":
        """This state with an exponential moving average of parameters and statistics from here on.

        After step t, with the variables v_t after it,

            ema_t = d_t * ema_(t-1) + (1 - d_t) * v_t,    d_t = min(decay, (t - 1) / (t + 8))

        so it is a mean over the last ninth of the steps, approximately, until the decay limits it to the last
        1 / (1 - decay) steps. Started at step 0, it gives no weight to the initial variables. Evaluation, prediction
        and export use the average; training does not.

        Args:
            decay: more than 0 and less than 1.

        Raises:
            ValueError: if the decay is out of its range.

        References:
            Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992. The smaller decay of the
            first steps is that of TensorFlow's ExponentialMovingAverage, where n counts from 0: (1 + n) / (10 + n).
        """
        if not 0 < decay < 1:
            raise ValueError(f"decay {decay}: expected more than 0 and less than 1, such as 0.999")
        return self.replace(ema=jax.tree.map(jnp.copy, self.variables), ema_decay=decay)

    def with_normalization(self, normalization: Callable[[Array], Array]) -> "TrainState":
        """This state with a network that first applies `normalization` to its images, in training and evaluation.

        Args:
            normalization: a hashable function of images (N, H, W, C), floats in [0, 1], such as `data.Normalization`.
        """
        return self.replace(apply_fn=_normalized(self.apply_fn, normalization))

    def __repr__(self) -> str:
        shape = np.shape(self.step)
        members = shape[0] if shape else 1
        count = sum(np.size(leaf) for leaf in jax.tree.leaves(self.params)) // members
        stacked = f"{members} members, " if shape else ""
        step = self.step if isinstance(self.step, Tracer) else np.ravel(self.step)[0]
        return f"TrainState({stacked}step {step}, {count:,} parameters)"


def create_train_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    key: PRNGKeyArray | int,
    image_shape: tuple[int, int, int],
) -> TrainState:
    """The state before the first step.

    Args:
        model: a network, called as `model.apply(variables, images, train=...)`. Equal networks share compiled programs
            if they have the same optimizer object.
        optimizer: any optax transformation; it gets the parameters, not the statistics.
        key: the run's key, from `jax.random.key`, or a seed from 0 to 2**32 - 1. Initialization, dropout, augmentation
            and the order of the data derive from it.
        image_shape: height, width and channels of an image as the network takes it.

    Returns:
        A `TrainState` at step 0.

    Raises:
        TypeError: if the optimizer is not an optax transformation, or the key is neither a key nor an int.
        ValueError: if `image_shape` is not three positive numbers, or too small for the network, or a seed is out of
            its range.

    Examples:
        >>> from jaxcnn.models import LeNet
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> sum(p.size for p in jax.tree.leaves(state.params))
        44426
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model {model!r}: expected an instance of a Linen module, such as models.LeNet()")
    if not isinstance(image_shape, Sequence) or len(image_shape) != 3 or min(image_shape) < 1:
        raise ValueError(f"image_shape {image_shape}: expected (height, width, channels), each 1 or more")
    height, width, channels = image_shape
    if not isinstance(optimizer, optax.GradientTransformation):
        raise TypeError(f"optimizer {optimizer!r}: expected an optax transformation, such as optax.adam(1e-3)")
    key = _as_key(key)
    variables = _init(model, derive_key(key, RngStream.INITIALIZATION), (height, width, channels))
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=variables["params"],
        batch_stats=variables.get("batch_stats", {}),
        opt_state=optimizer.init(variables["params"]),
        key=key,
        apply_fn=_apply_fn(model),
        tx=optimizer,
    )


def update_ema(ema: Variables, variables: Variables, decay: float, step: int | Int[Array, ""]) -> Variables:
    """The exponential moving average after step `step`, counted from 1, from the one before and the new variables."""
    weight = jnp.maximum(1 - decay, 9 / (jnp.asarray(step, jnp.float32) + 8))

    def average(old: Array, new: Array) -> Array:
        is_float = jnp.issubdtype(old.dtype, jnp.floating)
        return old + weight.astype(old.dtype) * (new - old) if is_float else new  # a counter, for example

    return jax.tree.map(average, ema, variables)


def _as_key(key: Any) -> PRNGKeyArray:
    if isinstance(key, int | np.integer) and not isinstance(key, bool):
        if not 0 <= key < 2**32:  # JAX would use the lowest 32 bits
            raise ValueError(f"key {key}: expected a seed from 0 to 4294967295")
        return jax.random.key(int(key))
    if isinstance(key, jax.Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        return key
    if isinstance(key, jax.Array) and key.dtype == jnp.uint32 and key.ndim == 1:
        return jax.random.wrap_key_data(key)  # made by jax.random.PRNGKey
    raise TypeError(f"key {key!r}: expected a key from jax.random.key, or an int as its seed")


@partial(jax.jit, static_argnums=(0, 2))
def _init(model: nn.Module, key: PRNGKeyArray, image_shape: tuple[int, int, int]) -> Variables:
    return dict(model.init(key, jnp.zeros((1, *image_shape), jnp.float32), train=False))


@lru_cache
def _normalized(apply_fn: Callable[..., Any], normalization: Callable[[Array], Array]) -> Callable[..., Any]:
    """`apply_fn` of normalized images, the same object for equal arguments."""

    def apply(variables: Variables, images: Array, **options: Any) -> Any:
        return apply_fn(variables, normalization(images), **options)

    return apply


@lru_cache
def _apply_fn(model: nn.Module) -> Callable[..., Any]:
    """`model.apply`, the same object for equal networks, because compiled steps are found by it."""
    return model.apply
