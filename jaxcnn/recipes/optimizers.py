"""Optimizers and learning rate schedules by name: optax's, put together with decay and clipping."""

import difflib
import inspect
import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from flax.core import FrozenDict
from jaxtyping import Array, ArrayLike, PyTree

from jaxcnn.errors import InputError

Schedule = Callable[..., optax.Schedule]


def _step(num_steps: int, *, at: tuple[float, ...] = (0.5, 0.75), factor: float = 0.1) -> optax.Schedule:
    return optax.piecewise_constant_schedule(1.0, {round(share * num_steps): factor for share in at})


def _linear(num_steps: int, *, end: float = 0.0) -> optax.Schedule:
    return optax.linear_schedule(1.0, end, num_steps)


def _cosine(num_steps: int, *, alpha: float = 0.0) -> optax.Schedule:
    return optax.cosine_decay_schedule(1.0, num_steps, alpha)


def _one_cycle(num_steps: int, **options: float) -> optax.Schedule:
    return optax.cosine_onecycle_schedule(num_steps, 1.0, **options)


SCHEDULES: dict[str, Schedule | None] = {
    "constant": None,
    "linear": _linear,
    "cosine": _cosine,
    "step": _step,
    "one_cycle": _one_cycle,
}
"""What the learning rate is multiplied by at each step, by name; None for 1.

linear: from 1 to `end` (0). cosine: from 1 to `alpha` (0) as half a cosine. step: times `factor` (.1) at each share of
the steps in `at` (.5, .75). one_cycle: up from a 25th over the first 30 % of the steps, then down to almost 0, each as
half a cosine; its options are those of `optax.cosine_onecycle_schedule`.
"""


def find_optimizer(name: str) -> Callable[..., optax.GradientTransformation]:
    """The optax constructor called `name`, of `optax` or `optax.contrib`, such as adam, sgd, lion or muon.

    Raises:
        InputError: if there is none that takes a learning rate; it suggests names that are alike.
    """
    modules = (optax, optax.contrib)
    for module in modules:
        found = getattr(module, name, None)
        if callable(found) and "learning_rate" in inspect.signature(found).parameters:
            return cast("Callable[..., optax.GradientTransformation]", found)
    names = {entry for module in modules for entry in dir(module) if entry.islower()}
    alike = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(alike)}?" if alike else "give one of optax's, such as adam, adamw, sgd or lion"
    raise InputError(f"no optimizer is called {name!r}: {hint}")


def check_schedule(name: str) -> None:
    """See that there is a schedule called `name`.

    Raises:
        InputError: if there is none.
    """
    if name not in SCHEDULES:
        raise InputError(f"no schedule is called {name!r}: choose one of {', '.join(SCHEDULES)}")


@lru_cache
def make_schedule(name: str, options: FrozenDict[str, Any], num_steps: int, warmup_steps: int) -> optax.Schedule | None:
    """What the learning rate is multiplied by at each step: the schedule called `name`, after a warm-up.

    Args:
        name: one of `SCHEDULES`.
        options: its keyword arguments.
        num_steps: of the whole training.
        warmup_steps: steps at the beginning over which the rate rises linearly from 0; the schedule takes the others.

    Returns:
        The schedule; None where the rate is always the same.
    """
    make = SCHEDULES[name]
    schedule = None if make is None else make(max(1, num_steps - warmup_steps), **options)
    if not warmup_steps:
        return schedule
    warmup = optax.linear_schedule(0.0, 1.0, warmup_steps)
    return optax.join_schedules([warmup, schedule or optax.constant_schedule(1.0)], [warmup_steps])


@lru_cache
def make_optimizer(
    name: str,
    options: FrozenDict[str, Any],
    learning_rate: float | Array | None,
    schedule: optax.Schedule | None,
    weight_decay: float,
    clip_norm: float | None,
) -> optax.GradientTransformation:
    """An optimizer. The same object is given for the same arguments, because compiled steps are found by it.

    Weight decay is the optimizer's own where it has one (AdamW, Lion), and is added to the gradients elsewhere (SGD).
    It leaves out biases and the scales of norms.

    Args:
        name: as `find_optimizer` takes it.
        options: its keyword arguments.
        learning_rate: the rate, or the highest one of a schedule; None to have it in the optimizer's state, as
            `optax.inject_hyperparams` does, where it begins with 0.
        schedule: what the rate is multiplied by at each step; None for 1.
        weight_decay: share of the kernels, times the learning rate, that each step takes off them.
        clip_norm: the largest norm of all gradients together; longer ones are scaled down to it. None for no bound.
    """
    if learning_rate is None:
        rest = {"schedule": schedule, "weight_decay": weight_decay, "clip_norm": clip_norm}
        make = partial(make_optimizer.__wrapped__, name, options, **rest)
        return optax.inject_hyperparams(lambda learning_rate: make(learning_rate=learning_rate))(learning_rate=0.0)
    constructor = find_optimizer(name)
    parameters = inspect.signature(constructor).parameters
    arguments = {**options}
    parts = [] if clip_norm is None else [optax.clip_by_global_norm(clip_norm)]
    if "weight_decay" in parameters:
        masks = {"mask", "weight_decay_mask"} & set(parameters)
        decay: dict[str, Any] = {"weight_decay": weight_decay, **dict.fromkeys(masks, _is_kernel)}
        arguments = decay | arguments  # said always: the constructor's own default need not be 0
    elif weight_decay:
        parts.append(optax.add_decayed_weights(weight_decay, mask=_is_kernel))
    rate: optax.ScalarOrSchedule = learning_rate
    if schedule is not None:
        rate = partial(_scaled, schedule, learning_rate)
    try:
        optimizer = constructor(rate, **arguments)
    except TypeError as error:
        raise InputError(f"optimizer {name}: {error}; its options are those of optax.{name}") from error
    return optax.chain(*parts, optimizer) if parts else optimizer


def steps_of(epochs: float | int, num_examples: int, batch_size: int) -> int:
    """How many steps `epochs` have."""
    return round(epochs * math.ceil(num_examples / batch_size))


def _scaled(schedule: optax.Schedule, rate: ArrayLike, step: ArrayLike) -> Array:
    return jnp.asarray(rate * schedule(step))


def _is_kernel(params: PyTree[Array]) -> PyTree[bool]:
    """Of each leaf whether it decays: kernels do, biases and norm scales, of one axis, do not."""
    return jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, params)
