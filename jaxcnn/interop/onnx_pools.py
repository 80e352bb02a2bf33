"""Conversion of the pools of an ONNX program to two-dimensional pools, which every ONNX runtime supports."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # an optional dependency, imported where it is used
    import onnx

_TO_CHANNELS_FIRST = (0, 3, 1, 2)
_TO_CHANNELS_LAST = (0, 2, 3, 1)


def simplify_pools(graph: "onnx.GraphProto") -> None:
    """Replace pools over the four axes (N, H, W, C) by pools over (H, W), in place.

    jax2onnx converts `lax.reduce_window` to a pool over all four axes, with windows (1, h, w, 1): MaxPool for maxima,
    and Conv with a kernel of ones for sums. ONNX Runtime pools over three axes at most.

        Unsqueeze, Unsqueeze, MaxPool or Conv, Squeeze  ->  Transpose, MaxPool or AveragePool, Transpose

    A sum is the mean times the size of the window, so a Mul follows it.
    """
    from onnx import helper, numpy_helper

    kernels = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    producers = {node.output[0]: node for node in graph.node}
    consumers = {name: node for node in graph.node for name in node.input}
    replaced: dict[str, list[Any]] = {}  # by the first output of a node
    for pool in graph.node:
        options: dict[str, Any] = {item.name: helper.get_attribute_value(item) for item in pool.attribute}
        window = options.get("kernel_shape", kernels.get(pool.input[1], ())[2:] if len(pool.input) > 1 else ())
        if pool.op_type not in ("MaxPool", "Conv") or len(window) != 4:
            continue
        outer = producers[pool.input[0]]
        inner, squeeze = producers[outer.input[0]], consumers[pool.output[0]]
        low, high = np.split(np.asarray(options.get("pads", [0] * 8)), 2)
        flat = {"kernel_shape": window[1:3], "strides": options["strides"][1:3], "pads": [*low[1:3], *high[1:3]]}
        name, (y,) = pool.output[0], squeeze.output
        nodes = [helper.make_node("Transpose", inner.input[:1], [f"{name}_in"], perm=_TO_CHANNELS_FIRST)]
        if pool.op_type == "MaxPool":
            nodes += [helper.make_node("MaxPool", [f"{name}_in"], [name], **flat)]
            nodes += [helper.make_node("Transpose", [name], [y], perm=_TO_CHANNELS_LAST)]
        else:
            size = numpy_helper.from_array(np.asarray(np.prod(window), np.float32), f"{name}_size")
            graph.initializer.append(size)
            nodes += [helper.make_node("AveragePool", [f"{name}_in"], [name], count_include_pad=1, **flat)]
            nodes += [helper.make_node("Transpose", [name], [f"{name}_mean"], perm=_TO_CHANNELS_LAST)]
            nodes += [helper.make_node("Mul", [f"{name}_mean", size.name], [y])]
        replaced |= {inner.output[0]: [], outer.output[0]: [], pool.output[0]: [], y: nodes}
    kept = [new for node in graph.node for new in replaced.get(node.output[0], [node])]
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)
