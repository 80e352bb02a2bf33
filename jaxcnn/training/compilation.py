"""How the programs of training are compiled: `jax.jit` with options for XLA."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.core import Tracer

F = TypeVar("F", bound=Callable[..., Any])

# On CPUs XLA hands convolutions, products of matrices and sums to the library YNNPACK. With its convolutions a layer's
# value and gradients take 0.9 to 1.9 times as long as with XLA's own, which are Eigen's
# (experiments/results/operations-avx512-2-cores.json).
OPTIONS = {
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE",
}


def compiled(**jit_arguments: Any) -> Callable[[F], F]:
    """`jax.jit` with `OPTIONS`, as a decorator.

    JAX takes options for whole programs alone. So a function that is called while another is traced, as under
    `jax.jit`, `jax.grad` or in a scan, becomes part of that program without them.

    Args:
        jit_arguments: as those of `jax.jit`.

    Examples:
        >>> from functools import partial
        >>> @compiled(static_argnames="times")
        ... def scale(x, *, times):
        ...     return times * x
        >>> float(scale(2.0, times=3)), float(jax.grad(partial(scale, times=3))(2.0))
        (6.0, 3.0)
    """

    def decorate(function: F) -> F:
        part = jax.jit(function, **jit_arguments)
        whole = lru_cache(lambda: jax.jit(function, compiler_options=known_options(), **jit_arguments))

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return (part if _is_traced((args, kwargs)) else whole())(*args, **kwargs)

        return call  # pyright: ignore[reportReturnType] -- it is called as `function` is

    return decorate


@lru_cache
def known_options() -> dict[str, str]:
    """Those of `OPTIONS` that this version of XLA knows; it refuses to compile with others."""

    def is_known(option: str) -> bool:
        try:
            jax.jit(jnp.negative, compiler_options={option: OPTIONS[option]}).lower(0.0).compile()
        except jax.errors.JaxRuntimeError:
            return False
        return True

    return {option: value for option, value in OPTIONS.items() if is_known(option)}


def _is_traced(arguments: Any) -> bool:
    """Whether JAX is tracing: for the arguments' sake, or whatever is computed."""
    probes = [*jax.tree.leaves(arguments), jnp.zeros(())]
    return any(isinstance(probe, Tracer) for probe in probes)
