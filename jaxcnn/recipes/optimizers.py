"""Optimizers and learning rate schedules by name, combined with weight decay and clipping."""

import difflib
import inspect
import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
import optax.contrib
from flax.core import FrozenDict
from jaxtyping import Array, ArrayLike, PyTree

from jaxcnn.errors import InputError
from jaxcnn.recipes.adam import adam_epsilon_hat
from jaxcnn.recipes.muon import filter_muon
from jaxcnn.training.freezing import freeze_optimizer

Schedule = Callable[..., optax.Schedule]

_SCHEDULE_FREE = "schedule_free"


def _step(num_steps: int, *, at: tuple[float, ...] = (0.5, 0.75), factor: float = 0.1) -> optax.Schedule:
    drops = Counter(round(share * num_steps) for share in at)  # in a few steps, two can be the same
    return optax.piecewise_constant_schedule(1.0, {step: factor**number for step, number in drops.items()})


def _linear(num_steps: int, *, end: float = 0.0) -> optax.Schedule:
    return optax.linear_schedule(1.0, end, num_steps)


def _cosine(num_steps: int, *, alpha: float = 0.0) -> optax.Schedule:
    return optax.cosine_decay_schedule(1.0, num_steps, alpha)


def _one_cycle(num_steps: int, **options: float) -> optax.Schedule:
    return optax.cosine_onecycle_schedule(num_steps, 1.0, **options)


OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "adam_epsilon_hat": adam_epsilon_hat,
    "filter_muon": filter_muon,
}
"""Optimizers by name, beside those of optax: functions of `learning_rate` and other keyword arguments.

Add your own here. Constructors in `optax` and `optax.contrib` need no entry.

    adam_epsilon_hat  Adam as in PyTorch before 1.3: `recipes.adam_epsilon_hat`
    filter_muon       Muon for the kernels of convolutions, Adam for all other parameters: `recipes.filter_muon`
"""

SCHEDULES: dict[str, Schedule | None] = {
    "constant": None,
    "linear": _linear,
    "cosine": _cosine,
    "step": _step,
    "one_cycle": _one_cycle,
}
"""Learning rate schedules by name: functions of the number of steps; None for a constant rate.

A schedule gives the factor of the learning rate at each step.

    linear     falls linearly from 1 to `end` (0)
    cosine     falls from 1 to `alpha` (0), along half a cosine
    step       multiplies by `factor` (.1) after each fraction of the steps in `at` (.5, .75)
    one_cycle  rises from 1/25 to 1 in the first 30 % of the steps, then falls to almost 0, each along half a cosine;
               its options are those of `optax.cosine_onecycle_schedule`
"""


def find_optimizer(name: str) -> Callable[..., optax.GradientTransformation]:
    """Find the constructor called `name` in `OPTIMIZERS`, `optax` or `optax.contrib`, such as adam, sgd or muon.

    Raises:
        InputError: if no constructor of that name takes a learning rate; the message suggests similar names. Or if it
            is schedule-free: such optimizers need other parameters in evaluation than in training.
    """
    if name.startswith(_SCHEDULE_FREE):
        raise InputError(
            f"optimizer {name}: it needs other parameters in evaluation than in training, which runs do not have; take "
            "another, such as adamw, and a moving average (--ema 0.999)"
        )
    constructors = _constructors_of_optax() | OPTIMIZERS
    if name in constructors:
        return constructors[name]
    alike = difflib.get_close_matches(name, constructors, n=3)
    hint = f"did you mean {' or '.join(alike)}?" if alike else "expected one of optax, such as adam, adamw, sgd or lion"
    raise InputError(f"optimizer {name!r} is unknown: {hint}")


@lru_cache
def _constructors_of_optax() -> dict[str, Callable[..., optax.GradientTransformation]]:
    """The functions of optax that take a learning rate, by name."""
    found = {**vars(optax.contrib), **vars(optax)}
    return {
        name: function
        for name, function in found.items()
        if not name.startswith(_SCHEDULE_FREE)
        and inspect.isfunction(function)
        and "learning_rate" in inspect.signature(function).parameters
    }


def check_schedule(name: str) -> None:
    """Check that `SCHEDULES` has a schedule called `name`.

    Raises:
        InputError: if it has none.
    """
    if name not in SCHEDULES:
        raise InputError(f"schedule {name!r} is unknown: expected one of {', '.join(SCHEDULES)}")


@lru_cache
def make_schedule(name: str, options: FrozenDict[str, Any], num_steps: int, warmup_steps: int) -> optax.Schedule | None:
    """Make the schedule called `name`, after a warm-up. It gives the factor of the learning rate at each step.

    Args:
        name: one of `SCHEDULES`.
        options: its keyword arguments.
        num_steps: total number of steps, including the warm-up.
        warmup_steps: number of steps at the beginning in which the rate rises linearly from 0. The schedule takes the
            other steps.

    Returns:
        The schedule, or None for a constant rate.

    Raises:
        InputError: if the schedule does not accept one of the options.
    """
    make = SCHEDULES[name]
    try:
        schedule = None if make is None else make(max(1, num_steps - warmup_steps), **options)
    except TypeError as error:
        raise InputError(f"schedule_options {dict(options)}: the schedule {name} refuses them ({error})") from error
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
    freeze: tuple[str, ...] = (),
) -> optax.GradientTransformation:
    """Make an optimizer. Equal arguments return the same object, which is the cache key of compiled steps.

    If the optimizer has weight decay (AdamW, Lion), that is used; otherwise it is added to the gradients (SGD). Biases
    and norm scales do not decay, except with optimizers whose weight decay has no mask, such as `novograd`.

    Args:
        name: as for `find_optimizer`.
        options: its keyword arguments.
        learning_rate: the learning rate, or the peak rate of a schedule. None stores it in the optimizer's state, as
            `optax.inject_hyperparams` does, with the initial value 0.
        schedule: the factor of the rate at each step; None for a constant rate.
        weight_decay: weight decay coefficient. Each step multiplies the kernels by 1 - learning rate * weight_decay, or
            adds weight_decay * kernel to the gradients.
        clip_norm: maximum global norm of the gradients. Larger gradients are scaled down; None disables clipping.
        freeze: patterns of parameters that are not updated, as for `training.freeze`.

    Raises:
        InputError: if the optimizer does not exist, or does not accept one of the options.
    """
    if learning_rate is None:
        rest = {"schedule": schedule, "weight_decay": weight_decay, "clip_norm": clip_norm, "freeze": freeze}
        make = partial(make_optimizer.__wrapped__, name, options, **rest)
        return optax.inject_hyperparams(lambda learning_rate: make(learning_rate=learning_rate))(learning_rate=0.0)
    constructor = find_optimizer(name)
    parameters = inspect.signature(constructor).parameters
    arguments = {**options}
    parts = [] if clip_norm is None else [optax.clip_by_global_norm(clip_norm)]
    if "weight_decay" in parameters:
        masks = {"mask", "weight_decay_mask"} & set(parameters)
        decay: dict[str, Any] = {"weight_decay": weight_decay, **dict.fromkeys(masks, _is_kernel)}
        arguments = decay | arguments  # always passed, because the constructor's default may not be 0
    elif weight_decay:
        parts.append(optax.add_decayed_weights(weight_decay, mask=_is_kernel))
    rate: optax.ScalarOrSchedule = learning_rate
    if schedule is not None:
        rate = partial(_scaled, schedule, learning_rate)
    try:
        optimizer = constructor(rate, **arguments)
    except TypeError as error:
        options_of_name = ", ".join(sorted(set(parameters) - {"learning_rate"}))
        raise InputError(f"optimizer {name}: {error}; its options are {options_of_name}") from error
    optimizer = optax.chain(*parts, optimizer) if parts else optimizer
    return freeze_optimizer(optimizer, freeze) if freeze else optimizer


def steps_of(epochs: float | int, num_examples: int, batch_size: int) -> int:
    """The number of steps in `epochs` epochs."""
    return round(epochs * math.ceil(num_examples / batch_size))


def _scaled(schedule: optax.Schedule, rate: ArrayLike, step: ArrayLike) -> Array:
    return jnp.float32(rate) * jnp.asarray(schedule(step), jnp.float32)  # as an injected rate also under x64


def _is_kernel(params: PyTree[Array]) -> PyTree[bool]:
    """Whether each leaf decays. Kernels do; biases and norm scales, which have one axis, do not."""
    return jax.tree.map(lambda leaf: jnp.ndim(leaf) > 1, params)
