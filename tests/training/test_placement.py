import jax
import numpy as np
import optax
import pytest
from flax import linen as nn
from networks import Small

from jaxcnn.data import CutMix, Mixup, OneOf
from jaxcnn.models import LeNet
from jaxcnn.training import FitOptions, Placement, choose_placement, create_train_state, fit, run_epochs, stack_members

CPUS = tuple(jax.devices("cpu"))
OPTIMIZER = optax.sgd(0.1, momentum=0.9)


def starts(count, model):
    return [create_train_state(model, OPTIMIZER, jax.random.key(seed), (28, 28, 1)) for seed in range(count)]


@pytest.mark.parametrize("devices", [2, 8])
def test_data_parallel_metrics_are_those_of_one_device(sample, devices):
    """Neither 100 nor 12, the sizes of the batches, is a multiple of 8. Mixing takes partners from other devices."""
    options = {"num_epochs": 2, "batch_size": 100, "mixing": OneOf(Mixup(0.2), CutMix(1.0))}
    (state,) = starts(1, Small())
    alone = list(fit(state, sample, **options))
    shared = list(fit(state, sample, placement=Placement("data_parallel", CPUS[:devices]), **options))
    for epoch, expected in zip(shared, alone, strict=True):
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            assert getattr(epoch, name) == pytest.approx(getattr(expected, name), rel=1e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-5),
        shared[-1].state.variables,
        alone[-1].state.variables,
    )


def test_a_batch_is_sharded_over_the_devices(sample):
    seen = []

    def look(key, images):
        jax.debug.inspect_array_sharding(images, callback=seen.append)
        return images

    placement = Placement("data_parallel", CPUS[:4])
    next(iter(fit(starts(1, Small())[0], sample, num_epochs=1, batch_size=64, augment=look, placement=placement)))
    assert {sharding.shard_shape((64, 28, 28, 1)) for sharding in seen} == {(16, 28, 28, 1)}


def test_a_placement_checks_for_the_member_axis(sample):
    one, stacked = starts(1, Small())[0], stack_members(starts(2, Small()))
    options = {"num_epochs": 1, "batch_size": 100}
    with pytest.raises(ValueError, match="expected a stacked state"):
        run_epochs(stacked, sample, FitOptions(placement=Placement("data_parallel", CPUS[:2]), **options))
    with pytest.raises(ValueError, match="expected a stacked state"):
        run_epochs(one, sample, FitOptions(placement=Placement("sequential", CPUS[:1]), **options))


def test_members_use_as_many_devices_as_divide_their_number():
    shape = (28, 28, 1)
    placements = [choose_placement(stack_members(starts(count, Small())), shape, CPUS[:4]) for count in (1, 3, 4, 6)]
    assert [len(placement.devices) for placement in placements] == [1, 3, 4, 3]
    assert {placement.kind for placement in placements} == {"sequential"}
    assert str(placements[3]) == "sequential on each of 3 devices"


class Accelerator:
    """Stands for a device that is not a CPU."""

    platform = "gpu"


class Linear(nn.Module):
    """A network without convolutions."""

    @nn.compact
    def __call__(self, x, *, train):  # noqa: ARG002
        return nn.Dense(10)(x.reshape(len(x), -1))


@pytest.mark.parametrize(("model", "kind"), [(Linear(), "vmap"), (LeNet(), "sequential")])
def test_accelerators_use_vmap_unless_it_groups_convolutions(model, kind):
    state = stack_members(starts(2, model))
    assert choose_placement(state, (28, 28, 1), [Accelerator()]).kind == kind
