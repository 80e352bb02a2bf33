"""The state of a training run: everything that a step reads and writes."""

import enum
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Int, Key, PRNGKeyArray

Variables = dict[str, Any]


class Stream(enum.IntEnum):
    """What randomness is drawn for; each has keys of its own."""

    INITIALIZATION = 0
    DROPOUT = 1
    ORDER = 2
    AUGMENTATION = 3


def derive_key(key: PRNGKeyArray, stream: Stream, index: int | Int[Array, ""] = 0) -> PRNGKeyArray:
    """The key of `stream` at step or epoch `index`, a function of its arguments alone."""
    return jax.random.fold_in(jax.random.fold_in(key, stream), index)


class TrainState(struct.PyTreeNode):
    """Parameters, statistics and optimiser state after `step` steps, as one pytree.

    Attributes:
        step: how many steps have been taken, int32.
        params: the parameters, which alone the optimiser moves.
        batch_stats: the moving statistics of batch norm; empty for networks without.
        opt_state: the optimiser's state.
        key: the run's key, never used up: every draw derives its own key from it.
        apply_fn: the network's `apply`.
        tx: the optimiser.
    """

    step: Int[Array, "..."]
    params: Variables
    batch_stats: Variables
    opt_state: optax.OptState
    key: Key[Array, "..."]
    apply_fn: Callable[..., Any] = struct.field(pytree_node=False)
    tx: optax.GradientTransformation = struct.field(pytree_node=False)

    @property
    def variables(self) -> Variables:
        """What the network's `apply` takes: {'params', 'batch_stats'}."""
        return {"params": self.params, "batch_stats": self.batch_stats}


def create_train_state(
    model: nn.Module,
    optimizer: optax.GradientTransformation,
    key: PRNGKeyArray,
    image_shape: tuple[int, int, int],
) -> TrainState:
    """The state before the first step.

    Args:
        model: a network, called as `model.apply(variables, images, train=...)`. Equal networks share what is compiled;
            so do equal optimisers where the same object is given again.
        optimizer: any optax transformation; it sees the parameters, never the statistics.
        key: the run's key, from which initialisation, dropout and the order of the data derive.
        image_shape: height, width and channels of one image as the network takes it.

    Returns:
        A `TrainState` at step 0.

    Raises:
        ValueError: if `image_shape` is not three positive numbers, or too small for the network.

    Examples:
        >>> from jaxcnn.models import LeNet
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> sum(p.size for p in jax.tree.leaves(state.params))
        44426
    """
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise ValueError(f"image_shape {image_shape}: height, width and channels are needed, each at least 1")
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        key = jax.random.wrap_key_data(key)  # one made by jax.random.PRNGKey
    variables = _init(model, derive_key(key, Stream.INITIALIZATION), image_shape)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=variables["params"],
        batch_stats=variables.get("batch_stats", {}),
        opt_state=optimizer.init(variables["params"]),
        key=key,
        apply_fn=_apply_fn(model),
        tx=optimizer,
    )


@partial(jax.jit, static_argnums=(0, 2))
def _init(model: nn.Module, key: PRNGKeyArray, image_shape: tuple[int, int, int]) -> Variables:
    return dict(model.init(key, jnp.zeros((1, *image_shape)), train=False))


@lru_cache
def _apply_fn(model: nn.Module) -> Callable[..., Any]:
    """`model.apply`, the same object for equal networks, because compiled steps are found by it."""
    return model.apply
