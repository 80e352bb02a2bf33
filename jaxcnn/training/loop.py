"""Whole passes over data, with the results of one run: what a script trains and tests with."""

from collections.abc import Iterator
from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Integer, Shaped

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.training import chunks
from jaxcnn.training.chunks import Augment
from jaxcnn.training.epochs import add_tests, run_epochs
from jaxcnn.training.layout import ALONE, Layout
from jaxcnn.training.results import ChunkResult, EpochResult
from jaxcnn.training.state import TrainState
from jaxcnn.training.steps import Metrics
from jaxcnn.training.windows import Window, spans_of


def fit(
    state: TrainState,
    dataset: Dataset | StreamedDataset,
    *,
    num_epochs: int,
    batch_size: int,
    image_size: int | None = None,
    augment: Augment | None = None,
    label_smoothing: float = 0.0,
    chunk_seconds: float = 0.5,
    layout: Layout = ALONE,
) -> Iterator[EpochResult]:
    """Train for `num_epochs` epochs and test after each.

    Every epoch visits all the examples in a new order, a function of the state's key and the epoch's number alone; the
    last batch holds what is left over.

    Args:
        state: where to begin. It stays usable; epochs are counted on from its step.
        dataset: the images and labels, moved to the device once; of a streamed one, as they are needed.
        num_epochs: how many epochs to train.
        batch_size: examples a step.
        image_size: height and width that the network takes; None for that of the images.
        augment: called with a key and the images of a step, as they are in `dataset`, gives those to train on. It is
            traced, and compiled anew for another that is not equal; `data.Augmentation` is one.
        label_smoothing: as for `train_step`.
        chunk_seconds: about how long the device works between two returns to the host, which is how soon a keyboard
            interrupt is seen.
        layout: on which devices; where several share each step, the figures are those of one to rounding.

    Yields:
        One `EpochResult` an epoch.

    Raises:
        ValueError: if `num_epochs` is negative, or `batch_size` is below 1.
    """
    events = fit_in_chunks(
        state,
        dataset,
        num_epochs=num_epochs,
        batch_size=batch_size,
        image_size=image_size,
        augment=augment,
        label_smoothing=label_smoothing,
        chunk_seconds=chunk_seconds,
        layout=layout,
    )
    return (event for event in events if isinstance(event, EpochResult))


def fit_in_chunks(
    state: TrainState,
    dataset: Dataset | StreamedDataset,
    *,
    num_epochs: int,
    batch_size: int,
    image_size: int | None = None,
    augment: Augment | None = None,
    label_smoothing: float = 0.0,
    chunk_seconds: float = 0.5,
    chunk_steps: int | None = None,
    metrics: Metrics | None = None,
    layout: Layout = ALONE,
) -> Iterator[ChunkResult | EpochResult]:
    """`fit`, telling also how each chunk went: the chunks of an epoch come before its `EpochResult`.

    Chunks change when the host looks, never what is computed. From the state and the metrics of any `ChunkResult` a run
    goes on as if it had never stopped.

    Args:
        state: as for `fit`. One from the middle of an epoch goes on there; that epoch is the first.
        dataset: as for `fit`.
        num_epochs: as for `fit`.
        batch_size: as for `fit`.
        image_size: as for `fit`.
        augment: as for `fit`.
        label_smoothing: as for `fit`.
        chunk_seconds: as for `fit`.
        chunk_steps: most steps of a chunk; None for as many as `chunk_seconds` take.
        metrics: what the steps of an epoch in progress gave. Without, its figures are those of the steps to come.
        layout: as for `fit`.

    Yields:
        A `ChunkResult` a chunk, and an `EpochResult` an epoch.

    Raises:
        ValueError: if `num_epochs` is negative, `batch_size` or `chunk_steps` is below 1, or `metrics` has not an entry
            a step.
    """
    events = run_epochs(
        state,
        dataset,
        num_epochs=num_epochs,
        batch_size=batch_size,
        image_size=image_size,
        augment=augment,
        label_smoothing=label_smoothing,
        chunk_seconds=chunk_seconds,
        chunk_steps=chunk_steps,
        metrics=metrics,
        layout=layout,
    )
    return (event.replica() for event in events)


def evaluate(
    state: TrainState,
    images: Shaped[Array | np.ndarray, "n h w c"],
    labels: Integer[Array | np.ndarray, " n"],
    *,
    batch_size: int = 256,
    image_size: int | None = None,
) -> Metrics:
    """The metrics of all of `images`, in batches.

    Args:
        state: the state to evaluate.
        images: (N, H, W, C), uint8 or floats in [0, 1], of any size.
        labels: (N,), integers.
        batch_size: examples a step; it bounds the memory and changes nothing else.
        image_size: height and width that the network takes; None for that of the images.

    Returns:
        The sums over all the examples.

    Raises:
        ValueError: if there are no images, or `batch_size` is below 1.
    """
    if batch_size < 1 or len(images) < 1:
        raise ValueError(f"{len(images)} images in batches of {batch_size}: at least 1 of each is needed")
    spans = spans_of(len(images), batch_size)
    window = Window(0, spans[-1].stop, jnp.asarray(images), jnp.asarray(labels), None)
    eval_chunk = partial(chunks.eval_chunk, layout=ALONE, batch_size=batch_size, image_size=image_size)
    return add_tests(state, Metrics.zeros(), [window], spans, eval_chunk)
