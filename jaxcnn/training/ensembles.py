"""Ensembles: several runs of one network in one program, their states stacked along a first axis.

Each member has its own key, order of the data, optimizer state and metrics. The members share the data and the
compiled program.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp

from jaxcnn.data.dataset import Dataset, StreamedDataset
from jaxcnn.training.epochs import run_epochs
from jaxcnn.training.options import FitOptions, make_options
from jaxcnn.training.placement import choose_placement
from jaxcnn.training.results import EpochResult
from jaxcnn.training.state import TrainState


def stack_members(states: Sequence[TrainState]) -> TrainState:
    """The states of several runs as one, each leaf with the members as its first axis.

    Members differ in their states alone. A learning rate can be part of the state: the one of an optimizer made by
    `optax.inject_hyperparams` is an entry of `opt_state.hyperparams`.

    Args:
        states: of one network and optimizer, all at the same step.

    Raises:
        ValueError: if there are none, or they differ in network, optimizer or step.
    """
    if not states:
        raise ValueError("no states: expected one or more")
    first = states[0]
    for state in states:
        if state.apply_fn is not first.apply_fn or state.tx is not first.tx:
            raise ValueError("states with different networks or optimizers: members share both")
        if state.ema_decay != first.ema_decay:
            raise ValueError(f"states with the EMA decays {first.ema_decay} and {state.ema_decay}: expected the same")
        if int(state.step) != int(first.step):
            raise ValueError(f"states at steps {int(first.step)} and {int(state.step)}: expected the same step")
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def fit_ensemble(
    state: TrainState, dataset: Dataset | StreamedDataset, options: FitOptions | None = None, **changes: Any
) -> Iterator[EpochResult]:
    """`fit` for an ensemble.

    Sequential members match single runs bit for bit; vmapped members match up to rounding.

    Args:
        state: the stacked states, from `stack_members`.
        dataset: as for `fit`; the members share it.
        options: as for `fit`. `choose_placement` gives the placement unless it is one for an ensemble.
        changes: as for `fit`.

    Yields:
        An `EpochResult` an epoch, with a leading member axis; `.member(i)` is the result of one member.

    Raises:
        ValueError: as for `fit`, or if the members cannot be distributed over the devices evenly.

    Examples:
        >>> import numpy as np, optax
        >>> from jaxcnn.models import LeNet
        >>> from jaxcnn.training import create_train_state
        >>> keys, optimizer = jax.random.split(jax.random.key(0), 3), optax.adam(1e-3)
        >>> state = stack_members([create_train_state(LeNet(), optimizer, key, (28, 28, 1)) for key in keys])
        >>> images, labels = np.zeros((4, 28, 28, 1), np.uint8), np.arange(4, dtype=np.uint8)
        >>> dataset = Dataset(images, labels, images, labels, tuple("abcd"))
        >>> (epoch,) = fit_ensemble(state, dataset, num_epochs=1, batch_size=2)
        >>> epoch.test_accuracy.shape, int(epoch.member(2).state.step)
        ((3,), 2)

    References:
        The Flax guide to ensembling on multiple devices.
    """
    options = make_options(options, changes)
    if not options.placement.has_members:
        placement = choose_placement(state, options.input_shape(dataset.image_shape))
        options = replace(options, placement=placement)
    return (result for result in run_epochs(state, dataset, options) if isinstance(result, EpochResult))
