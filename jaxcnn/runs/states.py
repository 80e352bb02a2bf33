"""The network and the states of a run, made from its settings."""

from dataclasses import fields
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from jaxcnn.data import Normalization
from jaxcnn.errors import InputError
from jaxcnn.runs.config import RunConfig
from jaxcnn.training import TrainState, create_train_state
from jaxcnn.training.freezing import check_patterns, freeze_apply


def make_model(config: RunConfig, num_classes: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """The recipe's network for `num_classes` classes, computing in the run's type.

    Raises:
        InputError: if the network has neither the type nor the number of classes, and no field to set it.
    """
    model = config.recipe.model
    wanted = {"dtype": config.dtype, "num_classes": num_classes}
    known = {field.name for field in fields(model)}
    if "dtype" not in known and config.dtype != "float32":
        raise InputError(
            f"--dtype {config.dtype}: {type(model).__name__} has no field dtype; use float32, or add the field"
        )
    if "num_classes" not in known:
        init = partial(model.init_with_output, train=False)
        logits, _ = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, *image_shape), jnp.float32))
        if logits.shape != (1, num_classes):
            raise InputError(
                f"{type(model).__name__} has {logits.shape[-1]} outputs for {num_classes} classes: add a field "
                "num_classes to it, or use data with as many classes"
            )
    return model.clone(**{name: value for name, value in wanted.items() if name in known})


def initial_state(config: RunConfig, num_examples: int, num_classes: int, channels: int) -> TrainState:
    """The state of a run before its first step.

    Args:
        config: the settings of the run.
        num_examples: number of training examples.
        num_classes: number of classes.
        channels: number of channels of the images.

    Raises:
        InputError: if the network cannot be made, the weights that the run starts from do not fit it, or its frozen
            layers do not exist.

    Examples:
        >>> from jaxcnn.recipes import get_recipe
        >>> int(initial_state(RunConfig(get_recipe("lenet")), 60_000, 10, 1).step)
        0
    """
    recipe = config.recipe
    image_shape = (recipe.image_size, recipe.image_size, channels)
    model = make_model(config, num_classes, image_shape)
    optimizer = recipe.make_optimizer(num_examples)
    state = create_train_state(model, optimizer, jax.random.key(config.seed), image_shape)
    params = recipe.initialize(state.params)  # some optimizers keep these parameters in their state
    state = state.replace(params=params, opt_state=optimizer.init(params))
    if recipe.normalization == "train":
        raise InputError("normalization 'train': call recipe.resolve first, which reads the training images")
    if isinstance(recipe.normalization, Normalization):
        state = state.with_normalization(recipe.normalization)
    if config.init_from is not None and config.init_from.variables is not None:
        variables, _ = config.init_from.transfer(state.variables, num_classes)
        state = state.replace(**variables, opt_state=optimizer.init(variables["params"]))
    if recipe.freeze:
        try:
            check_patterns(recipe.freeze, state.params)
        except InputError as error:
            raise InputError(f"--{error}") from error
        state = state.replace(apply_fn=freeze_apply(state.apply_fn, recipe.freeze))
    return state if recipe.ema_decay is None else state.with_ema(recipe.ema_decay)


def check_initial_state(config: RunConfig, num_examples: int, num_classes: int, channels: int) -> None:
    """Check that the initial state can be made, without computing it.

    Raises:
        InputError: as for `initial_state`.
    """
    jax.eval_shape(lambda: initial_state(config, num_examples, num_classes, channels).params)


def zeros_state(config: RunConfig, num_examples: int, num_classes: int, channels: int) -> TrainState:
    """A state with the shapes and types of the initial one, all zeros. It is made without running the network."""
    fixed = {}

    def parts() -> dict[str, Any]:
        state = initial_state(config, num_examples, num_classes, channels)
        fixed.update(apply_fn=state.apply_fn, tx=state.tx, ema_decay=state.ema_decay)
        return {name: getattr(state, name) for name in ("step", "params", "batch_stats", "opt_state", "ema")}

    abstract = jax.eval_shape(parts)
    zeros = jax.tree.map(lambda leaf: jnp.asarray(np.zeros(leaf.shape, leaf.dtype)), abstract)
    return TrainState(**zeros, **fixed, key=jax.random.key(config.seed))


def inject_learning_rate(config: RunConfig, state: TrainState, num_examples: int) -> TrainState:
    """`state` with the learning rate in it, so that runs at other rates can be members of its ensemble."""
    rate = jnp.float32(config.recipe.learning_rate)
    return state.replace(
        tx=config.recipe.make_optimizer(num_examples, inject_learning_rate=True),
        opt_state=optax.InjectStatefulHyperparamsState(state.step, {"learning_rate": rate}, {}, state.opt_state),
    )


def extract_learning_rate(config: RunConfig, state: TrainState, num_examples: int) -> TrainState:
    """The inverse of `inject_learning_rate`."""
    rated = state.opt_state
    assert isinstance(rated, optax.InjectStatefulHyperparamsState)
    return state.replace(tx=config.recipe.make_optimizer(num_examples), opt_state=rated.inner_state)
