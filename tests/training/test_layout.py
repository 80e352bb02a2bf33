import jax
import numpy as np
import optax
import pytest
from networks import Small

from jaxcnn.models import DenseNet, LeNet
from jaxcnn.training import Layout, choose_layout, create_train_state, fit, run_epochs, stack_replicas

CPUS = tuple(jax.devices("cpu"))
OPTIMIZER = optax.sgd(0.1, momentum=0.9)


def starts(count, model):
    return [create_train_state(model, OPTIMIZER, jax.random.key(seed), (28, 28, 1)) for seed in range(count)]


@pytest.mark.parametrize("devices", [2, 8])
def test_devices_that_share_each_step_give_the_figures_of_one(sample, devices):
    """Neither the 100 examples of a step nor the last 12 are divided by 8."""
    options = {"num_epochs": 2, "batch_size": 100}
    (state,) = starts(1, Small())
    alone = list(fit(state, sample, **options))
    shared = list(fit(state, sample, layout=Layout("split", CPUS[:devices]), **options))
    for epoch, expected in zip(shared, alone, strict=True):
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            assert getattr(epoch, name) == pytest.approx(getattr(expected, name), rel=1e-4)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-5),
        shared[-1].state.variables,
        alone[-1].state.variables,
    )


def test_a_step_that_is_shared_is_split_up(sample):
    seen = []

    def look(key, images):
        jax.debug.inspect_array_sharding(images, callback=seen.append)
        return images

    layout = Layout("split", CPUS[:4])
    next(iter(fit(starts(1, Small())[0], sample, num_epochs=1, batch_size=64, augment=look, layout=layout)))
    assert {sharding.shard_shape((64, 28, 28, 1)) for sharding in seen} == {(16, 28, 28, 1)}


def test_what_a_layout_cannot_hold_is_refused(sample):
    one, stacked = starts(1, Small())[0], stack_replicas(starts(2, Small()))
    options = {"num_epochs": 1, "batch_size": 100}
    with pytest.raises(ValueError, match="replicas are stacked, a run is not"):
        run_epochs(stacked, sample, layout=Layout("split", CPUS[:2]), **options)
    with pytest.raises(ValueError, match="replicas are stacked, a run is not"):
        run_epochs(one, sample, layout=Layout("in turn", CPUS[:1]), **options)


def test_replicas_are_dealt_out_to_as_many_devices_as_divide_them():
    shape = (28, 28, 1)
    layouts = [choose_layout(stack_replicas(starts(count, Small())), shape, CPUS[:4]) for count in (1, 3, 4, 6)]
    assert [len(layout.devices) for layout in layouts] == [1, 3, 4, 3]
    assert {layout.form for layout in layouts} == {"in turn"}
    assert str(layouts[3]) == "in turn on each of 3 devices"


class Accelerator:
    """What stands for a device that is no CPU."""

    platform = "gpu"


@pytest.mark.parametrize(("model", "form"), [(LeNet(), "together"), (DenseNet(block_sizes=(1,)), "in turn")])
def test_on_accelerators_they_go_together_where_that_leaves_no_grouped_convolutions(model, form):
    state = stack_replicas(starts(2, model))
    assert choose_layout(state, (28, 28, 1), [Accelerator()]).form == form
