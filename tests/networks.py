"""Networks for tests. NumPy draws their variables, which avoids compiling the initialization."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.extend import core

from jaxcnn import layers

OPTIMIZED = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
"""Compiler options for tests that run many steps of one program. Other tests compile with fewer optimisations."""


class Small(nn.Module):
    """A small network with every kind of state: parameters, batch statistics and dropout."""

    @nn.compact
    def __call__(self, x, *, train):
        x = layers.Conv(4, 7, strides=7, name="conv")(x)
        x = layers.BatchNorm(use_running_average=not train, name="norm")(x)
        x = nn.Dropout(0.5, deterministic=not train, name="dropout")(nn.sigmoid(x))
        return layers.Dense(10, name="dense")(layers.Flatten(name="flatten")(x))


class Dropout(nn.Module):
    """A network that returns the output of dropout as logits."""

    @nn.compact
    def __call__(self, x, *, train: bool):
        x = nn.Dropout(0.5, deterministic=not train)(jnp.ones((x.shape[0], 10)))
        return x * self.param("scale", nn.initializers.ones, (1, 10))


def shapes_of(model, shape):
    """Return the shapes of the logits and variables of a call, without computing either."""
    return jax.eval_shape(partial(model.init_with_output, train=False), jax.random.key(0), jnp.zeros(shape))


def drawn_variables(model, shape, *, seed=0):
    """Draw variables: kernels uniform in ±1/sqrt(fan_in), all others near their initial values."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        match path[-1].key:
            case "kernel":
                bound = 1 / math.sqrt(math.prod(leaf.shape[:-1]))
                return jnp.asarray(rng.uniform(-bound, bound, leaf.shape), leaf.dtype)
            case "scale" | "var":
                return jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), leaf.dtype)
            case _:
                return jnp.asarray(rng.uniform(-0.1, 0.1, leaf.shape), leaf.dtype)

    return jax.tree_util.tree_map_with_path(draw, dict(shapes_of(model, shape)[1]))


def all_equations(jaxpr):
    """Yield every operation of a program, including those of the functions that it calls."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in core.jaxprs_in_params(equation.params):
            yield from all_equations(inner)
