"""Several runs of one network in one program: replicas, whose states are stacked along a first axis.

Each replica has a key, an order of the data, an optimiser state and figures of its own, and shares the data and the
compiled program with the others.
"""

from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.training.chunks import Augment
from jaxcnn.training.epochs import run_epochs
from jaxcnn.training.layout import Layout, choose_layout
from jaxcnn.training.results import ReplicasEpoch
from jaxcnn.training.state import TrainState


def stack_replicas(states: Sequence[TrainState]) -> TrainState:
    """Several runs' states as one, each leaf with the replicas as its first axis.

    What differs between replicas is in the states. A learning rate can be one of these things: that of an optimiser
    made by `optax.inject_hyperparams` is an entry of `opt_state.hyperparams`.

    Args:
        states: of one network and optimiser, each at the same step.

    Raises:
        ValueError: if there are none, or they differ in network, optimiser or step.
    """
    if not states:
        raise ValueError("no states: at least one replica is needed")
    first = states[0]
    for state in states:
        if state.apply_fn is not first.apply_fn or state.tx is not first.tx:
            raise ValueError("the states are of different networks or optimisers: replicas share both")
        if int(state.step) != int(first.step):
            raise ValueError(f"states at steps {int(first.step)} and {int(state.step)}: replicas go in step")
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def fit_replicas(
    state: TrainState,
    dataset: Dataset | StreamedDataset,
    *,
    num_epochs: int,
    batch_size: int,
    image_size: int | None = None,
    augment: Augment | None = None,
    label_smoothing: float = 0.0,
    chunk_seconds: float = 0.5,
    layout: Layout | None = None,
) -> Iterator[ReplicasEpoch]:
    """`fit` of several replicas at once.

    Each is trained as by `fit` from its own state: to the last bit where they go in turn, to rounding where they go
    together.

    Args:
        state: the stacked states, as by `stack_replicas`.
        dataset: as for `fit`; the replicas share it.
        num_epochs: as for `fit`.
        batch_size: examples that each takes a step.
        image_size: as for `fit`.
        augment: as for `fit`.
        label_smoothing: as for `fit`.
        chunk_seconds: as for `fit`.
        layout: how they are laid out; as `choose_layout` says unless given.

    Yields:
        A `ReplicasEpoch` an epoch, whose `replica(i)` is that of a replica.

    Raises:
        ValueError: as `fit` does, or if the replicas cannot be dealt out to the devices evenly.

    Examples:
        >>> import numpy as np, optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> keys, optimizer = jax.random.split(jax.random.key(0), 3), optax.adam(1e-3)
        >>> state = stack_replicas([create_train_state(LeNet(), optimizer, key, (28, 28, 1)) for key in keys])
        >>> images, labels = np.zeros((4, 28, 28, 1), np.uint8), np.arange(4, dtype=np.uint8)
        >>> dataset = Dataset(images, labels, images, labels, tuple("abcd"))
        >>> (epoch,) = fit_replicas(state, dataset, num_epochs=1, batch_size=2)
        >>> epoch.test_accuracy.shape, int(epoch.replica(2).state.step)
        ((3,), 2)
    """
    height, _, channels = dataset.image_shape
    size = image_size or height
    events = run_epochs(
        state,
        dataset,
        num_epochs=num_epochs,
        batch_size=batch_size,
        image_size=image_size,
        augment=augment,
        label_smoothing=label_smoothing,
        chunk_seconds=chunk_seconds,
        layout=layout or choose_layout(state, (size, size, channels)),
    )
    return (event for event in events if isinstance(event, ReplicasEpoch))
