"""A summary of a network: its layers and pools with shapes, parameters and FLOPs."""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxcnn.models.calls import ModuleCall, record_calls


class LayerSummary(NamedTuple):
    """A layer, block or pool of a network.

    Attributes:
        name: the name of the module, or of the pooling operation.
        output_shape: (H, W, C) or (F,) for one image.
        num_parameters: number of its parameters.
        flops: floating-point operations for one image in its convolutions and dense layers; a multiplication and an
            addition are two.
    """

    name: str
    output_shape: tuple[int, ...]
    num_parameters: int
    flops: int


def summarize(model: nn.Module, image_shape: tuple[int, int, int]) -> list[LayerSummary]:
    """Summarize the layers, blocks and pools of a network in the order of their use, without computing them.

    A convolution with kernels of h x w x C_in has 2 * H_out * W_out * C_out * h * w * C_in FLOPs.

    Args:
        model: a network, called as `model.apply(variables, images, train=...)`.
        image_shape: height, width and channels of the image.

    Raises:
        ValueError: if the image is too small for the network.

    Examples:
        >>> from jaxcnn.models import LeNet
        >>> for layer in summarize(LeNet(), (28, 28, 1))[:2]:
        ...     print(layer.name, layer.output_shape, layer.num_parameters, layer.flops)
        conv1 (24, 24, 6) 156 172800
        max_pool2d (12, 12, 6) 0 0
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    with record_calls() as calls:
        variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    rngs = {"dropout": jax.random.key(0)}  # in training mode dropout is an operation too
    apply = partial(model.apply, train=True, mutable=["batch_stats"], rngs=rngs)
    equations: list[Any] = jax.make_jaxpr(apply)(variables, images).jaxpr.eqns
    outputs = {call.path[0]: call.output_shape for call in calls if len(call.path) == 1}
    layers: list[LayerSummary] = []
    for equation in equations:
        name = _scope(equation)
        if name in outputs:
            if name not in (layer.name for layer in layers):
                layers.append(_layer(name, outputs[name], variables["params"].get(name, {}), calls))
        elif "pool" in name:
            shape = equation.outvars[0].aval.shape[1:]
            if layers and layers[-1].name == name:
                layers.pop()  # a pool is a sequence of operations; the last one has its output
            layers.append(LayerSummary(name, shape, 0, 0))
    return layers


def _scope(equation: Any) -> str:
    """The layer or operation that an equation belongs to; empty for the network itself."""
    if equation.primitive.name.startswith("reduce_window") and str(equation.source_info.name_stack).count("/") == 0:
        return "pool"
    _, _, rest = str(equation.source_info.name_stack).partition("/")
    return rest.partition("/")[0]


def _layer(name: str, output_shape: tuple[int, ...], params: Any, calls: list[ModuleCall]) -> LayerSummary:
    flops = 0
    for call in calls:
        kernel = _find(params, call.path[1:]).get("kernel") if call.path[:1] == (name,) else None
        if kernel is not None and hasattr(kernel, "shape"):
            pixels = math.prod(call.output_shape[:-1])
            flops += 2 * pixels * kernel.size
    return LayerSummary(name, output_shape, sum(leaf.size for leaf in jax.tree.leaves(params)), flops)


def _find(params: Any, path: tuple[str, ...]) -> dict[str, Any]:
    """The parameters of the module at `path` in those of a layer; empty if it has none."""
    for name in path:
        params = params.get(name, {})
    return params
