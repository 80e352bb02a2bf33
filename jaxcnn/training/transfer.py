"""Transfer of trained variables to a network with another number of classes."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxcnn.errors import InputError
from jaxcnn.training.state import Variables
from jaxcnn.words import count_of

_SAME_NETWORK = "give weights of the same network"


def transfer_variables(
    initial: Variables, trained: Mapping[str, Any], *, num_classes: int
) -> tuple[Variables, tuple[str, ...]]:
    """`trained`, with the head of `initial` if the number of classes differs.

    The head is all parameters whose last axis is the classes, often one dense layer. Only the number of classes may
    differ: all other parameters and statistics must have the same paths and shapes in both.

    Args:
        initial: {'params', 'batch_stats'} of the new network, such as `state.variables`.
        trained: {'params', 'batch_stats'} of the trained one, such as `run.state.eval_variables`. 'batch_stats' can be
            missing if there is no batch norm.
        num_classes: number of classes of the new network.

    Returns:
        {'params', 'batch_stats'} in the types of `initial`, and the names of the layers of the new head; empty if the
        number of classes is the same.

    Raises:
        InputError: if a parameter or statistic is missing, left over or of another shape. The message names the first.

    Examples:
        >>> initial = {"params": {"dense": {"kernel": jnp.zeros((4, 3)), "bias": jnp.zeros(3)}}, "batch_stats": {}}
        >>> trained = {"params": {"dense": {"kernel": jnp.ones((4, 10)), "bias": jnp.ones(10)}}}
        >>> variables, head = transfer_variables(initial, trained, num_classes=3)
        >>> head, variables["params"]["dense"]["bias"].tolist()
        (('dense',), [0.0, 0.0, 0.0])
    """
    ours, theirs = _by_path(initial), _by_path(trained)
    if missing := [path for path in ours if path not in theirs]:
        raise InputError(f"{_name(missing[0])} is missing: {_SAME_NETWORK}")
    if unknown := [path for path in theirs if path not in ours]:
        raise InputError(f"{_name(unknown[0])} is not in this network: {_SAME_NETWORK}")
    merged, head, counts = {}, [], set()
    for path, ours_there in ours.items():
        given, expected = np.shape(theirs[path]), ours_there.shape
        if given == expected:
            merged[path] = jnp.asarray(theirs[path], ours_there.dtype)
        elif _differ_in_classes(given, expected, num_classes):
            merged[path] = ours_there
            head.append("/".join(path[1:-1]))
            counts.add(given[-1])
        else:
            raise InputError(_describe_mismatch(path, given, expected))
        if len(counts) > 1:
            raise InputError(_describe_mismatch(path, given, expected))
    return {"params": {}, "batch_stats": {}, **unflatten_dict(merged)}, tuple(dict.fromkeys(head))


def _by_path(variables: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    """The parameters and statistics by path, sorted, parameters first."""
    flat = flatten_dict({name: variables.get(name, {}) for name in ("params", "batch_stats")})
    return {path: flat[path] for path in sorted(flat, key=lambda path: (path[0] != "params", path))}


def _differ_in_classes(given: tuple[int, ...], expected: tuple[int, ...], num_classes: int) -> bool:
    """Whether two shapes differ only in the number of classes: in the last axis, and in others only in the same way."""
    if len(given) != len(expected) or given[-1] == expected[-1] or expected[-1] != num_classes:
        return False
    differing = {pair for pair in zip(given, expected, strict=True) if pair[0] != pair[1]}
    return len(differing) == 1


def _describe_mismatch(path: tuple[str, ...], given: tuple[int, ...], expected: tuple[int, ...]) -> str:
    if len(given) == len(expected) == 4 and given[:2] + given[3:] == expected[:2] + expected[3:]:
        theirs, ours = count_of(given[2], "channel"), count_of(expected[2], "channel")
        return f"{_name(path)} {given} takes {theirs}, but the images have {ours}: give weights for {ours}"
    return f"{_name(path)} {given}: expected {expected}; {_SAME_NETWORK} for the same image size"


def _name(path: tuple[str, ...]) -> str:
    return "/".join(path[1:])
