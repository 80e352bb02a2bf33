"""Early stopping: when a run ends before its last epoch, by its validation accuracy."""

from collections.abc import Sequence

import numpy as np

from jaxcnn.training import EpochResult, best_epoch
from jaxcnn.words import count_of


def why_stop(epochs: Sequence[EpochResult], *, patience: int | None, until: float | None) -> str | None:
    """Why a run ends after `epochs`; None if it continues. It is a function of the results, so a resumed run agrees.

    Args:
        epochs: the results so far.
        patience: the run ends after this many epochs without a better validation accuracy; None for no such rule.
        until: the run ends when the validation accuracy reaches this; None for no such rule.

    Examples:
        >>> common = {"train_loss": 0.5, "train_accuracy": 0.8, "test_loss": 0.4, "test_accuracy": 0.9}
        >>> epochs = [
        ...     EpochResult(number, {**common, "val_accuracy": accuracy}, 2.0, 10.0, 0.0)
        ...     for number, accuracy in enumerate((0.7, 0.8, 0.8), 1)
        ... ]
        >>> why_stop(epochs, patience=1, until=None)
        'no better validation accuracy in 1 epoch'
        >>> why_stop(epochs, patience=2, until=0.9) is None
        True
    """
    best = best_epoch(epochs)
    if best is None:
        return None
    accuracy = best.metrics["val_accuracy"]
    if until is not None and np.float32(accuracy) >= np.float32(until):  # accuracies are float32 on the device
        return f"validation accuracy {accuracy:.4f} reached {until:g}"
    if patience is not None and epochs[-1].epoch - best.epoch >= patience:
        return f"no better validation accuracy in {count_of(patience, 'epoch')}"
    return None
