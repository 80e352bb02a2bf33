"""Placement of training: on which devices, and how members of an ensemble share them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.extend import core
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from jaxcnn.training.state import TrainState
from jaxcnn.training.steps import train_step

_AXIS = "devices"


@dataclass(frozen=True)
class Placement:
    """How a run, or the members of an ensemble, are placed on devices.

    Attributes:
        kind: 'single', one run on JAX's default device; 'data_parallel', one run whose batches are sharded over the
            devices of one process or of several; for an ensemble, whose members are distributed over the devices,
            'vmap', one batched program, or 'sequential', one member after the other.
        devices: the devices; none for 'single'.

    Raises:
        ValueError: if the kind is unknown, or devices are missing.
    """

    kind: Literal["single", "data_parallel", "vmap", "sequential"]
    devices: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        kinds = ("single", "data_parallel", "vmap", "sequential")
        if self.kind not in kinds:
            raise ValueError(f"placement {self.kind!r}: expected one of {', '.join(kinds)}")
        if (self.kind == "single") != (not self.devices):
            raise ValueError(f"placement '{self.kind}' on {len(self.devices)} devices: expected none for 'single' only")

    def __str__(self) -> str:
        if self.kind == "data_parallel":
            return f"batches sharded over {len(self.devices)} devices"
        each = f" on each of {len(self.devices)} devices" if len(self.devices) > 1 else ""
        return f"{self.kind}{each}"

    @property
    def has_members(self) -> bool:
        """Whether it is for an ensemble, whose states are stacked."""
        return self.kind in ("vmap", "sequential")

    @property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), (_AXIS,))

    @property
    def spans_processes(self) -> bool:
        """Whether there are devices of other processes."""
        return any(device.process_index != jax.process_index() for device in self.devices)

    def check_state(self, state: TrainState) -> None:
        """Check that `state` is stacked if this is for an ensemble, and can be distributed over the devices evenly.

        Raises:
            ValueError: if it is not.
        """
        if self.has_members != (state.step.ndim == 1):
            raise ValueError(
                f"placement '{self.kind}' for a state with a step of shape {state.step.shape}: expected a stacked "
                "state (stack_members, fit_ensemble) for 'vmap' and 'sequential', and one run's state (fit) otherwise"
            )
        if self.has_members and state.step.size % len(self.devices):
            raise ValueError(
                f"{state.step.size} members on {len(self.devices)} devices: expected the same number on each"
            )

    def replicate(self, data: Any) -> Any:
        """A copy of `data` on every device."""
        if self.kind == "single":
            return jax.tree.map(jnp.asarray, data)
        everywhere = NamedSharding(self._mesh, PartitionSpec())
        if everywhere.is_fully_addressable:
            return jax.device_put(data, everywhere)
        return jax.tree.map(partial(_put_on_all_processes, sharding=everywhere), data)

    def shard_state(self, state: Any) -> Any:
        """The state of a run on every device; the states of an ensemble, by their first axis, on their devices."""
        if self.has_members:
            return jax.device_put(state, NamedSharding(self._mesh, PartitionSpec(_AXIS)))
        return self.replicate(state)

    def allgather(self, number: int) -> list[int]:
        """`number` of each process whose devices these are. All processes must call it at the same point."""
        if not self.spans_processes:
            return [number]
        return multihost_utils.process_allgather(np.int32(number)).tolist()

    def shard_batch(self, examples: Array) -> Array:
        """The examples of a step, sharded by the first axis if the placement is 'data_parallel'."""
        if self.kind != "data_parallel":
            return examples
        return lax.with_sharding_constraint(examples, NamedSharding(self._mesh, PartitionSpec(_AXIS)))

    def map_over_members(self, function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        """`function(*own, *shared)` of one run as a function of (own, shared), with a member axis in `own` if any."""
        if not self.has_members:
            return lambda own, shared: function(*own, *shared)

        def of_all(own: Any, shared: Any) -> Any:
            if self.kind == "vmap":
                return jax.vmap(lambda own: function(*own, *shared))(own)
            return lax.map(lambda own: function(*own, *shared), own)

        if len(self.devices) == 1:
            return of_all
        own, shared = PartitionSpec(_AXIS), PartitionSpec()
        return jax.shard_map(of_all, mesh=self._mesh, in_specs=(own, shared), out_specs=own, check_vma=False)


def _put_on_all_processes(leaf: Any, sharding: NamedSharding) -> Array:
    """An array on the devices of all processes, each of which has the same whole `leaf`."""
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = _put_on_all_processes(jax.random.key_data(leaf), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])


SINGLE = Placement("single")
"""One run on the default device."""


def choose_placement(
    state: TrainState, image_shape: tuple[int, int, int], devices: Sequence[Any] | None = None
) -> Placement:
    """The fastest placement of an ensemble.

    Members are distributed over as many of the devices as divide their number. Each device takes its members in one
    batched program ('vmap') if the step then has matrix products alone, which a larger batch speeds up. It takes them
    one after the other ('sequential') if the batched program would have grouped convolutions, which are slow, and on
    CPUs, which one member keeps busy.

    Args:
        state: the stacked states.
        image_shape: height, width and channels of the images as the network takes them.
        devices: the devices; all of the default platform unless given.
    """
    devices = jax.devices() if devices is None else devices
    members = state.step.size
    count = max(count for count in range(1, len(devices) + 1) if members % count == 0)
    chosen = tuple(devices[:count])
    sequential = chosen[0].platform == "cpu" or members == count or _has_grouped_convolutions(state, image_shape)
    return Placement("sequential" if sequential else "vmap", chosen)


def _has_grouped_convolutions(state: TrainState, image_shape: tuple[int, int, int]) -> bool:
    """Whether a batched step of all members has grouped convolutions."""
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    labels = jax.ShapeDtypeStruct((1,), jnp.int32)
    program = jax.make_jaxpr(jax.vmap(train_step, in_axes=(0, None, None)))(state, images, labels)
    return any(
        equation.params["feature_group_count"] > 1 or equation.params["batch_group_count"] > 1
        for equation in _all_equations(program.jaxpr)
        if equation.primitive is lax.conv_general_dilated_p
    )


def _all_equations(program: core.Jaxpr) -> Iterator[core.JaxprEqn]:
    """Every operation of a program, with those of the functions that it calls."""
    for equation in program.eqns:
        yield equation
        for inner in core.jaxprs_in_params(equation.params):
            yield from _all_equations(inner)
