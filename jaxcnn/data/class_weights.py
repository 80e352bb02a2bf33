"""Weights of the classes of imbalanced data."""

import numpy as np
from jaxtyping import Integer


def balanced_class_weights(labels: Integer[np.ndarray, " n"], num_classes: int) -> tuple[float, ...]:
    """Weights that give each class the same total weight in the loss.

        weight_k = N / (K * n_k)

    where n_k of the N examples are in class k, and K classes have examples. The mean weight of the examples is 1. A
    class without examples has the weight 0.

    Args:
        labels: (N,), at least one, in 0 .. num_classes - 1.
        num_classes: number of classes.

    Examples:
        >>> balanced_class_weights(np.array([0, 0, 0, 1]), 2)
        (0.6666666666666666, 2.0)
    """
    counts = np.bincount(labels, minlength=num_classes).tolist()
    present = sum(count > 0 for count in counts)
    return tuple(len(labels) / (present * count) if count else 0.0 for count in counts)
