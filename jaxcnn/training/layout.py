"""How the work of training is laid out over the machine: over its devices, and over replicas on each of them."""

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
class Layout:
    """How a run, or the replicas of several, are laid out over devices.

    Attributes:
        form: 'alone', one run on JAX's default device; 'split', one run with the examples of each step dealt out to the
            devices, of one host or of several; and, of replicas, which are dealt out to the devices, 'together', one
            program on arrays with the replicas as an axis, or 'in turn', one after the other.
        devices: what it is laid out over, side by side; none for 'alone'.
    """

    form: Literal["alone", "split", "together", "in turn"]
    devices: tuple[Any, ...] = ()

    def __str__(self) -> str:
        if self.form == "split":
            return f"each step split over {len(self.devices)} devices"
        beside = f" on each of {len(self.devices)} devices" if len(self.devices) > 1 else ""
        return f"{self.form}{beside}"

    @property
    def has_replicas(self) -> bool:
        """Whether it is of replicas, whose states are stacked."""
        return self.form in ("together", "in turn")

    @property
    def _mesh(self) -> Mesh:
        return Mesh(np.array(self.devices), (_AXIS,))

    @property
    def is_of_several_hosts(self) -> bool:
        """Whether there are devices of other hosts than this one."""
        return any(device.process_index != jax.process_index() for device in self.devices)

    def share(self, data: Any) -> Any:
        """A copy of `data` on every device."""
        if self.form == "alone":
            return jax.tree.map(jnp.asarray, data)
        everywhere = NamedSharding(self._mesh, PartitionSpec())
        if everywhere.is_fully_addressable:
            return jax.device_put(data, everywhere)
        return jax.tree.map(partial(_put_on_all_hosts, sharding=everywhere), data)

    def place(self, state: Any) -> Any:
        """What belongs to the run on every device; what belongs to replicas, by the first axis, where each is."""
        if self.has_replicas:
            return jax.device_put(state, NamedSharding(self._mesh, PartitionSpec(_AXIS)))
        return self.share(state)

    def of_every_host(self, number: int) -> list[int]:
        """`number` as each host has it, where the devices are those of several; each is to ask at the same point."""
        if not self.is_of_several_hosts:
            return [number]
        return multihost_utils.process_allgather(np.int32(number)).tolist()

    def split(self, examples: Array) -> Array:
        """The examples of a step, by the first axis, dealt out to the devices where they share a step."""
        if self.form != "split":
            return examples
        return lax.with_sharding_constraint(examples, NamedSharding(self._mesh, PartitionSpec(_AXIS)))

    def lift(self, function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
        """`function(*own, *shared)`, of one run, as one of (own, shared), with the replicas as an axis of `own`."""
        if not self.has_replicas:
            return lambda own, shared: function(*own, *shared)

        def of_all(own: Any, shared: Any) -> Any:
            if self.form == "together":
                return jax.vmap(lambda own: function(*own, *shared))(own)
            return lax.map(lambda own: function(*own, *shared), own)

        if len(self.devices) == 1:
            return of_all
        own, shared = PartitionSpec(_AXIS), PartitionSpec()
        return jax.shard_map(of_all, mesh=self._mesh, in_specs=(own, shared), out_specs=own, check_vma=False)


def _put_on_all_hosts(leaf: Any, sharding: NamedSharding) -> Array:
    """An array on the devices of every host, of which each gives its own the whole of the same `leaf`."""
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = _put_on_all_hosts(jax.random.key_data(leaf), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])


ALONE = Layout("alone")


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
