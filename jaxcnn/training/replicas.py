"""Several runs of one network in one program: replicas, whose states are stacked along a first axis.

Each replica has a key, an order of the data, an optimiser state and figures of its own, and shares the data and the
compiled program with the others.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Int, Integer, Shaped

from jaxcnn.data.dataset import Dataset
from jaxcnn.training.compilation import compiled
from jaxcnn.training.loop import (
    Augment,
    Programs,
    Tree,
    check_epochs,
    eval_steps,
    order_of_epoch,
    run_epochs,
    train_steps,
)
from jaxcnn.training.results import ReplicasChunk, ReplicasEpoch
from jaxcnn.training.state import TrainState
from jaxcnn.training.steps import Metrics, train_step

_AXIS = "replicas"


def stack_replicas(states: Sequence[TrainState]) -> TrainState:
    """Several runs' states as one, each leaf with the replicas as its first axis.

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


@dataclass(frozen=True)
class Layout:
    """How replicas are laid out on the machine.

    Attributes:
        form: 'together', one program on arrays with the replicas as an axis; or 'in turn', one after the other.
        devices: what they are dealt out to, each as many; they work side by side.
    """

    form: Literal["together", "in turn"]
    devices: tuple[Any, ...]

    def __str__(self) -> str:
        beside = f" on each of {len(self.devices)} devices" if len(self.devices) > 1 else ""
        return f"{self.form}{beside}"

    @property
    def mesh(self) -> Mesh:
        """The devices as the axis 'replicas'."""
        return Mesh(np.array(self.devices), (_AXIS,))

    def share(self, data: np.ndarray) -> Array:
        """A copy of `data` on every device."""
        return jax.device_put(data, NamedSharding(self.mesh, PartitionSpec()))

    def spread(self, tree: Tree) -> Tree:
        """`tree`, whose leaves have the replicas as their first axis, dealt out to the devices."""
        return jax.device_put(tree, NamedSharding(self.mesh, PartitionSpec(_AXIS)))

    def lift(self, function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        """`function(*own, *shared)`, of one replica, as a function of the stacked `own` of all, and of `shared`."""

        def of_all(own: Any, shared: Any) -> Any:
            if self.form == "together":
                return jax.vmap(lambda own: function(*own, *shared))(own)
            return lax.map(lambda own: function(*own, *shared), own)

        if len(self.devices) == 1:
            return of_all
        spread, shared = PartitionSpec(_AXIS), PartitionSpec()
        return jax.shard_map(of_all, mesh=self.mesh, in_specs=(spread, shared), out_specs=spread, check_vma=False)


def choose_layout(state: TrainState, image_shape: tuple[int, int, int], devices: Sequence[Any] | None = None) -> Layout:
    """How replicas are best laid out.

    They are dealt out to as many of the devices as divide their number. On each device they go together where that
    leaves products of matrices alone, which a batch of them keeps busy; in turn where it would make convolutions
    grouped ones, which are slow, and on CPUs, which one replica fills.

    Args:
        state: the stacked states.
        image_shape: height, width and channels of the images as the network takes them.
        devices: what there is; all devices of the default kind unless given.
    """
    devices = jax.devices() if devices is None else devices
    replicas = state.step.size
    count = max(count for count in range(1, len(devices) + 1) if replicas % count == 0)
    chosen = tuple(devices[:count])
    in_turn = chosen[0].platform == "cpu" or replicas == count or _has_grouped_convolutions(state, image_shape)
    return Layout("in turn" if in_turn else "together", chosen)


def fit_replicas(
    state: TrainState,
    dataset: Dataset,
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
        >>> import optax
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
    events = fit_replicas_in_chunks(
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
    return (event for event in events if isinstance(event, ReplicasEpoch))


def fit_replicas_in_chunks(
    state: TrainState,
    dataset: Dataset,
    *,
    num_epochs: int,
    batch_size: int,
    image_size: int | None = None,
    augment: Augment | None = None,
    label_smoothing: float = 0.0,
    chunk_seconds: float = 0.5,
    chunk_steps: int | None = None,
    metrics: Metrics | None = None,
    layout: Layout | None = None,
) -> Iterator[ReplicasChunk | ReplicasEpoch]:
    """`fit_replicas`, telling also how each chunk went, as `fit_in_chunks` does.

    Args:
        state: as for `fit_replicas`. One from the middle of an epoch goes on there.
        dataset: as for `fit_replicas`.
        num_epochs: as for `fit`.
        batch_size: as for `fit_replicas`.
        image_size: as for `fit`.
        augment: as for `fit`.
        label_smoothing: as for `fit`.
        chunk_seconds: as for `fit`.
        chunk_steps: as for `fit_in_chunks`.
        metrics: as for `fit_in_chunks`, an entry a replica and step.
        layout: as for `fit_replicas`.

    Yields:
        A `ReplicasChunk` a chunk, and a `ReplicasEpoch` an epoch.

    Raises:
        ValueError: as `fit_in_chunks` does, or if the replicas cannot be dealt out to the devices evenly.
    """
    size = image_size or dataset.train_images.shape[1]
    layout = layout or choose_layout(state, (size, size, dataset.train_images.shape[3]))
    if state.step.size % len(layout.devices):
        raise ValueError(f"{state.step.size} replicas on {len(layout.devices)} devices: as many on each are needed")
    num_examples = len(dataset.train_images)
    chunk_steps = check_epochs(num_examples, num_epochs, batch_size, chunk_steps, metrics)
    programs = Programs(
        order=lambda state, epoch: _orders(state, epoch, num_examples=num_examples),
        train_chunk=partial(
            _train_chunk,
            layout=layout,
            batch_size=batch_size,
            image_size=image_size,
            augment=augment,
            label_smoothing=label_smoothing,
        ),
        eval_chunk=partial(_eval_chunk, layout=layout, batch_size=batch_size, image_size=image_size),
        share=layout.share,
        spread=layout.spread,
    )
    return run_epochs(state, dataset, programs, num_epochs, batch_size, chunk_seconds, chunk_steps, metrics)


@partial(jax.jit, static_argnames="num_examples")
def _orders(state: TrainState, epoch: int | Int[Array, ""], *, num_examples: int) -> Int[Array, "replicas n"]:
    return jax.vmap(lambda state: order_of_epoch(state, epoch, num_examples=num_examples))(state)


@compiled(
    static_argnames=("layout", "batch_size", "rows", "image_size", "augment", "label_smoothing"),
    donate_argnames=("state", "metrics"),
)
def _train_chunk(
    state: TrainState,
    metrics: Metrics,
    images: Shaped[Array, "n h w c"],
    labels: Integer[Array, " n"],
    order: Int[Array, "replicas n"],
    start: int | Int[Array, ""],
    stop: int | Int[Array, ""],
    *,
    layout: Layout,
    batch_size: int,
    rows: int,
    image_size: int | None,
    augment: Augment | None,
    label_smoothing: float,
) -> tuple[TrainState, Metrics]:
    def of_one(state: Any, metrics: Any, order: Any, *shared: Any) -> tuple[TrainState, Metrics]:
        images, labels, start, stop = shared
        return train_steps(
            state, metrics, images, labels, order, start, stop,
            batch_size=batch_size, rows=rows, image_size=image_size, augment=augment, label_smoothing=label_smoothing,
        )  # fmt: skip

    return layout.lift(of_one)((state, metrics, order), (images, labels, start, stop))


@compiled(static_argnames=("layout", "batch_size", "rows", "image_size"))
def _eval_chunk(
    state: TrainState,
    metrics: Metrics,
    images: Shaped[Array, "n h w c"],
    labels: Integer[Array, " n"],
    start: int | Int[Array, ""],
    stop: int | Int[Array, ""],
    *,
    layout: Layout,
    batch_size: int,
    rows: int,
    image_size: int | None,
) -> Metrics:
    chunk = partial(eval_steps, batch_size=batch_size, rows=rows, image_size=image_size)
    return layout.lift(chunk)((state, metrics), (images, labels, start, stop))


def _has_grouped_convolutions(state: TrainState, image_shape: tuple[int, int, int]) -> bool:
    """Whether a step of all replicas together would be computed by convolutions in groups."""
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    labels = jax.ShapeDtypeStruct((1,), jnp.int32)
    program = jax.make_jaxpr(jax.vmap(train_step, in_axes=(0, None, None)))(state, images, labels)
    return any(
        equation.params["feature_group_count"] > 1 or equation.params["batch_group_count"] > 1
        for equation in _all_equations(program.jaxpr)
        if equation.primitive is lax.conv_general_dilated_p
    )


def _all_equations(program: core.Jaxpr) -> Iterator[core.JaxprEqn]:
    """Every operation of a program, those of the functions that it calls among them."""
    for equation in program.eqns:
        yield equation
        for inner in core.jaxprs_in_params(equation.params):
            yield from _all_equations(inner)
