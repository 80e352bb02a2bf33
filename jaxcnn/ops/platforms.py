"""The choice between a form for CPUs and one for all other platforms."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from jax import lax
from jaxtyping import Array

_FIXED: ContextVar[Literal["cpu", "default"] | None] = ContextVar("_FIXED", default=None)


def choose_form(*args: Array, cpu: Callable[..., Array], default: Callable[..., Array]) -> Array:
    """Call `cpu` in programs for CPUs, and `default` in all others. The choice is made when a program is lowered.

    Args:
        args: the arguments of both.
        cpu: the fastest form on CPUs.
        default: the same function in lax's own operations.
    """
    match _FIXED.get():
        case "cpu":
            return cpu(*args)
        case "default":
            return default(*args)
        case None:
            return lax.platform_dependent(*args, cpu=cpu, default=default)


@contextmanager
def fixed_form(form: Literal["cpu", "default"]) -> Iterator[None]:
    """Use one form for all platforms in what is traced inside this context.

    A converter to another format needs it, because it does not know JAX's choice by platform.
    """
    token = _FIXED.set(form)
    try:
        yield
    finally:
        _FIXED.reset(token)
