"""The choice of examples for a validation split."""

import numpy as np

from jaxcnn.errors import InputError


def hold_out(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose a random share of the examples of each class.

    Of a class with n examples, fraction * n are held out, rounded, but at least one and not all of them; a class with
    one example keeps it. The choice depends on the arguments alone, on every platform and in every version of NumPy.

    Args:
        labels: the class of each example, (N,).
        fraction: the share, more than 0 and less than 1.
        seed: another seed chooses other examples.

    Returns:
        The indices of the examples that stay, and of those held out, both in ascending order.

    Raises:
        InputError: if an argument is out of its range, or no class has two examples.

    Examples:
        >>> kept, held_out = hold_out(np.array([0, 1, 0, 1, 0, 1, 0, 1]), 0.25, 0)
        >>> len(kept), len(held_out)
        (6, 2)
    """
    if not 0 < fraction < 1:
        raise InputError(f"fraction {fraction}: expected more than 0 and less than 1, such as 0.1")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed {seed}: expected an integer from 0 to 4294967295")
    ranks = np.random.PCG64(seed).random_raw(len(labels))  # NumPy keeps this stream, not those of a Generator
    is_held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        (members,) = np.nonzero(labels == label)
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        is_held_out[members[np.argsort(ranks[members], kind="stable")[:count]]] = True
    if not is_held_out.any():
        raise InputError("no class has two training examples, one of them to hold out")
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
