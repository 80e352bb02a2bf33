"""Frozen layers: parameters that training does not change, and batch norms that use their moving statistics."""

import inspect
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from typing import Any

import jax
import optax
from flax import linen as nn
from flax.traverse_util import flatten_dict
from jax import lax
from jaxtyping import PyTree

from jaxcnn.errors import InputError, list_names
from jaxcnn.training.state import TrainState, Variables


def freeze(state: TrainState, patterns: Sequence[str]) -> TrainState:
    """`state` with frozen layers: a step changes neither their parameters nor their batch statistics.

    The gradients of frozen parameters are 0 and are not computed, so `gradient_norm` and clipping ignore them. Their
    updates are 0 too, so weight decay does not change them. A batch norm with frozen statistics uses them in training
    as in evaluation.

    Args:
        state: a state before its first step. Its optimizer state is initialized again.
        patterns: paths of layers or parameters, such as 'conv1/kernel', or patterns of them: * matches
            any characters, including /, and ? matches one. A pattern also matches everything below a layer: 'conv1' and
            'conv*' match 'conv1/kernel'.

    Raises:
        InputError: if a pattern matches no parameter, or together they match all of them.

    Examples:
        >>> import jax.numpy as jnp
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state, train_step
        >>> state = create_train_state(LeNet(), optax.adam(1e-3), jax.random.key(0), (28, 28, 1))
        >>> state = freeze(state, ["conv*"])
        >>> after, _ = train_step(state, jnp.zeros((1, 28, 28, 1)), jnp.zeros(1, jnp.int32))
        >>> [bool((after.params[name]["bias"] == state.params[name]["bias"]).all()) for name in ("conv1", "dense1")]
        [True, False]

    References:
        The optax documentation of `optax.transforms.set_to_zero` and `optax.masked`.
    """
    if isinstance(patterns, str):
        raise TypeError(f"freeze {patterns!r}: expected a sequence of patterns, such as ['conv*']")
    patterns = tuple(patterns)
    check_patterns(patterns, state.params)
    optimizer = freeze_optimizer(state.tx, patterns)
    return state.replace(
        apply_fn=freeze_apply(state.apply_fn, patterns), tx=optimizer, opt_state=optimizer.init(state.params)
    )


def check_patterns(patterns: Sequence[str], params: Variables) -> None:
    """Check that each of `patterns` matches a parameter, and that at least one parameter is trained.

    Raises:
        InputError: if not.
    """
    paths = sorted(flatten_dict(params, sep="/"))
    layers = list_names(list(dict.fromkeys(path.rpartition("/")[0] for path in paths)))
    expected = f"expected some of the layers {layers}, or parameters such as {paths[0]}"
    for pattern in patterns:
        if not any(_matches(path, (pattern,)) for path in paths):
            raise InputError(f"freeze {pattern!r} matches no parameter: {expected}")
    if patterns and all(_matches(path, patterns) for path in paths):
        raise InputError(f"freeze {','.join(patterns)!r} matches all parameters, so none is trained: {expected}")


@lru_cache
def freeze_optimizer(
    optimizer: optax.GradientTransformation, patterns: tuple[str, ...]
) -> optax.GradientTransformation:
    """`optimizer` with updates of 0 for parameters that match `patterns`. Equal arguments return the same object."""
    return optax.chain(optimizer, optax.masked(optax.set_to_zero(), partial(_mask, patterns)))


@lru_cache
def freeze_apply(apply_fn: Callable[..., Any], patterns: tuple[str, ...]) -> Callable[..., Any]:
    """`apply_fn` without gradients of parameters that match `patterns`. Equal arguments return the same object.

    A batch norm whose statistics match uses them in training, and does not update them.
    """

    def apply(variables: Variables, *args: Any, **kwargs: Any) -> Any:
        params = jax.tree.map(
            lambda leaf, is_frozen: lax.stop_gradient(leaf) if is_frozen else leaf,
            variables["params"],
            _mask(patterns, variables["params"]),
        )
        statistics = flatten_dict(variables.get("batch_stats", {}))
        norms = {path[:-1] for path in statistics if _matches("/".join(path), patterns)}
        with nn.intercept_methods(partial(_with_running_average, norms)):
            return apply_fn({**variables, "params": params}, *args, **kwargs)

    return apply


def _with_running_average(
    norms: set[tuple[str, ...]], call: Callable[..., Any], args: Any, kwargs: Any, context: Any
) -> Any:
    """Call a method of a Linen module; a batch norm in `norms` uses its running average."""
    module = context.module
    if context.method_name != "__call__" or module.path not in norms:
        return call(*args, **kwargs)
    if not hasattr(module, "use_running_average"):
        raise InputError(
            f"freeze: {'/'.join(module.path)} has batch statistics but no field use_running_average, so they cannot "
            "be frozen; leave it out, or add the field"
        )
    own = module.use_running_average
    if own is None:
        arguments = dict(zip(inspect.signature(module.__call__).parameters, args, strict=False))
        return call(**{**arguments, **kwargs, "use_running_average": True})
    object.__setattr__(module, "use_running_average", True)  # fields of a Linen module are read-only
    try:
        return call(*args, **kwargs)
    finally:
        object.__setattr__(module, "use_running_average", own)


def _mask(patterns: tuple[str, ...], params: PyTree[Any]) -> PyTree[bool]:
    """Whether each parameter matches one of `patterns`."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: _matches(jax.tree_util.keystr(path, simple=True, separator="/"), patterns), params
    )


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}/*") for pattern in patterns)
