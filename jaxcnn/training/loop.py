"""Training and evaluation of one run over whole data sets."""

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Integer, Shaped

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.training.batches import abstract_logits, check_axes, check_labels, check_range, check_state
from jaxcnn.training.epochs import add_metrics, run_epochs
from jaxcnn.training.loaders import DeviceBlock, step_ranges
from jaxcnn.training.metrics import Metrics, zero_metrics
from jaxcnn.training.options import FitOptions, make_options
from jaxcnn.training.results import ChunkResult, EpochResult
from jaxcnn.training.state import TrainState


def fit(
    state: TrainState, dataset: Dataset | StreamedDataset, options: FitOptions | None = None, **changes: Any
) -> Iterator[EpochResult]:
    """Train for some epochs, and evaluate on the test examples and any validation examples after each.

    Every epoch uses all examples in a new order, a function of the state's key and the number of the epoch. The last
    batch holds the rest.

    Args:
        state: the state to begin with. It stays usable. Its step gives the number of the first epoch, and where in that
            epoch to resume; to train on other data, give `state.replace(step=0 * state.step)`.
        dataset: images and labels. They are moved to the device once; those of a streamed data set as they are needed.
        options: how to train.
        changes: fields of `FitOptions`, in the place of those of `options`: `fit(state, dataset, num_epochs=5,
            batch_size=256)` needs no options.

    Yields:
        An `EpochResult` an epoch.

    Raises:
        TypeError: if `dataset` is not a data set, or an option has no value or no such name.
        ValueError: if an option is out of its range, or the state is that of an ensemble.

    Examples:
        >>> import optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> state = create_train_state(LeNet(num_classes=4), optax.adam(1e-3), 0, (28, 28, 1))
        >>> images, labels = np.zeros((4, 28, 28, 1), np.uint8), np.arange(4, dtype=np.uint8)
        >>> dataset = Dataset(images, labels, images, labels, tuple("abcd"))
        >>> [result.epoch for result in fit(state, dataset, num_epochs=2, batch_size=2)]
        [1, 2]
    """
    results = fit_in_chunks(state, dataset, options, **changes)
    return (result for result in results if isinstance(result, EpochResult))


def fit_in_chunks(
    state: TrainState,
    dataset: Dataset | StreamedDataset,
    options: FitOptions | None = None,
    *,
    step_metrics: Metrics | None = None,
    **changes: Any,
) -> Iterator[ChunkResult | EpochResult]:
    """`fit` with the result of each chunk of steps: those of an epoch come before its `EpochResult`.

    Chunks decide when Python sees results, not what is computed. From the state and the step metrics of any
    `ChunkResult`, training can be resumed bit for bit.

    Args:
        state: as for `fit`. A state from the middle of an epoch resumes that epoch, the first.
        dataset: as for `fit`.
        options: as for `fit`.
        step_metrics: those of the epoch in progress. Without them, its metrics are those of the steps to come.
        changes: as for `fit`.

    Yields:
        A `ChunkResult` a chunk, and an `EpochResult` an epoch.

    Raises:
        TypeError: as for `fit`.
        ValueError: as for `fit`, or if `step_metrics` has not an entry for each step.
    """
    return run_epochs(state, dataset, make_options(options, changes), step_metrics=step_metrics)


def evaluate(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    labels: Integer[Array | np.ndarray, " n"],
    *,
    batch_size: int = 256,
    image_size: int | None = None,
) -> Metrics:
    """The metrics of `images`, computed in batches.

    Args:
        state: the state to evaluate.
        images: (N, H, W, C), uint8 or floats in [0, 1], of any size.
        labels: (N,), integers in 0 .. num_classes - 1.
        batch_size: images of a batch. All images are put on the device; the batch limits the memory of activations. It
            does not change the result.
        image_size: height and width that the network takes; None for the size of the images.

    Returns:
        The sums over all examples; their means are NaN if there are none.

    Raises:
        TypeError: if an argument is not a state or an array.
        ValueError: if the state is that of an ensemble, the images have other axes, floats are outside [0, 1], the
            labels are not one class for each image, or `batch_size` is below 1.
    """
    options = FitOptions(num_epochs=0, batch_size=batch_size, image_size=image_size)
    check_state(state)
    check_axes(images, labels)
    check_range(images)
    logits = abstract_logits(state, options.input_shape(images.shape[1:]))
    check_labels(labels, logits.shape[-1])
    no_sums = zero_metrics(logits, options.all_metrics)
    ranges = step_ranges(len(images), batch_size)
    if not ranges:
        return no_sums
    block = DeviceBlock(0, ranges[-1].stop, jnp.asarray(images), jnp.asarray(labels), None)
    return add_metrics(state, no_sums, [block], ranges, options)
