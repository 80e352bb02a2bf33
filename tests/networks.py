"""Networks in tests: variables, drawn without compiling their initialisation, which takes far longer than drawing."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.extend import core

from jaxcnn import layers

OPTIMISED = {"xla_backend_optimization_level": 3, "xla_llvm_disable_expensive_passes": False}
"""Options of the compiler for many steps of one program, which repay what other tests go without."""


class Small(nn.Module):
    """A network with all that a run has of its own: parameters, statistics, dropout."""

    @nn.compact
    def __call__(self, x, *, train):
        x = layers.Conv(4, 7, strides=7, name="conv")(x)
        x = layers.BatchNorm(use_running_average=not train, name="norm")(x)
        x = nn.Dropout(0.5, deterministic=not train, name="dropout")(nn.sigmoid(x))
        return layers.Dense(10, name="dense")(layers.Flatten(name="flatten")(x))


def shapes_of(model, shape):
    """Logits and variables of a call, without computing either."""
    return jax.eval_shape(partial(model.init_with_output, train=False), jax.random.key(0), jnp.zeros(shape))


def drawn_variables(model, shape, *, seed=0):
    """Kernels uniform in +-1/sqrt(fan_in), all else near where it begins."""
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
    """Every operation of a program, those of the functions that it calls among them."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(
            equation.params, is_leaf=lambda leaf: isinstance(leaf, core.ClosedJaxpr | core.Jaxpr)
        ):
            if isinstance(inner, core.ClosedJaxpr):
                yield from all_equations(inner.jaxpr)
            elif isinstance(inner, core.Jaxpr):
                yield from all_equations(inner)
