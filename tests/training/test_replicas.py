import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from jaxcnn import layers
from jaxcnn.data import Augmentation
from jaxcnn.models import DenseNet, LeNet
from jaxcnn.training import create_train_state, fit, fit_replicas, stack_replicas
from jaxcnn.training.replicas import Layout, choose_layout, fit_replicas_in_chunks
from jaxcnn.training.results import ReplicasChunk, take_replica

CPUS = tuple(jax.devices("cpu"))
OPTIONS = {"num_epochs": 2, "batch_size": 100, "augment": Augmentation(shift=1), "label_smoothing": 0.1}
OPTIMIZER = optax.sgd(0.1, momentum=0.9)  # by Adam's rule a gradient of nothing but rounding moves as any other


class Small(nn.Module):
    """A network with all that a replica must have of its own: parameters, statistics, dropout."""

    @nn.compact
    def __call__(self, x, *, train):
        x = layers.Conv(4, 7, strides=7, name="conv")(x)
        x = layers.BatchNorm(use_running_average=not train, name="norm")(x)
        x = nn.Dropout(0.5, deterministic=not train, name="dropout")(nn.sigmoid(x))
        return layers.Dense(10, name="dense")(layers.Flatten(name="flatten")(x))


def starts(count, model=None):
    model = model or Small()
    return [create_train_state(model, OPTIMIZER, jax.random.key(seed), (28, 28, 1)) for seed in range(count)]


@pytest.fixture(scope="module")
def runs_alone(sample):
    """The epochs of four runs, each by itself."""
    return [list(fit(state, sample, **OPTIONS)) for state in starts(4)]


@pytest.mark.parametrize(
    ("form", "devices", "tolerance"),
    [("in turn", 1, 0), ("in turn", 2, 0), ("together", 1, 1e-5), ("together", 4, 1e-5)],
)
def test_each_replica_is_the_run_of_its_seed(sample, runs_alone, form, devices, tolerance):
    layout = Layout(form, CPUS[:devices])
    epochs = list(fit_replicas(stack_replicas(starts(4)), sample, layout=layout, **OPTIONS))
    for replica, alone in enumerate(runs_alone):
        for epoch, expected in zip(epochs, alone, strict=True):
            found = epoch.replica(replica)
            assert found.epoch == expected.epoch
            for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
                assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-4 if tolerance else 1e-12)
            jax.tree.map(
                lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=tolerance),
                found.state.variables,
                expected.state.variables,
            )


def test_chunks_tell_of_each_replica_and_any_of_them_can_be_gone_on_from(sample):
    state = stack_replicas(starts(2))
    *_, whole = fit_replicas(state, sample, **OPTIONS)
    for event in fit_replicas_in_chunks(state, sample, chunk_steps=1, **OPTIONS):
        if isinstance(event, ReplicasChunk) and event.steps_done == 4:
            break
    assert event.train_loss.shape == (2,)
    assert event.replica(1).train_loss == event.train_loss[1]
    assert event.replica(0).diverged_at is None
    kept, metrics = jax.tree.map(jnp.copy, (event.state, event.metrics))
    *_, resumed = fit_replicas_in_chunks(kept, sample, metrics=metrics, **OPTIONS)
    jax.tree.map(np.testing.assert_array_equal, resumed.state.variables, whole.state.variables)
    np.testing.assert_array_equal(resumed.train_loss, whole.train_loss)


def test_a_replica_that_diverges_is_told_apart(sample):
    good, bad = starts(2)
    bad = bad.replace(params=jax.tree.map(lambda leaf: leaf * np.nan, bad.params))
    chunk = next(iter(fit_replicas_in_chunks(stack_replicas([good, bad]), sample, **OPTIONS)))
    assert [chunk.replica(index).diverged_at for index in range(2)] == [None, 1]


def test_times_are_shared_out_among_the_replicas(sample):
    epoch = next(iter(fit_replicas(stack_replicas(starts(2)), sample, **OPTIONS)))
    assert sum(epoch.replica(index).seconds for index in range(2)) == pytest.approx(epoch.seconds)


def test_replicas_are_dealt_out_to_as_many_devices_as_divide_them():
    shape = (28, 28, 1)
    layouts = [choose_layout(stack_replicas(starts(count)), shape, CPUS[:4]) for count in (1, 3, 4, 6)]
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


def test_what_cannot_be_replicas_is_refused(sample):
    one, other = starts(2)
    with pytest.raises(ValueError, match="at least one replica"):
        stack_replicas([])
    with pytest.raises(ValueError, match="different networks or optimisers"):
        stack_replicas([one, other.replace(tx=optax.sgd(0.1))])
    with pytest.raises(ValueError, match="steps 0 and 3: replicas go in step"):
        stack_replicas([one, other.replace(step=jnp.int32(3))])
    with pytest.raises(ValueError, match="2 replicas on 3 devices"):
        fit_replicas(stack_replicas([one, other]), sample, layout=Layout("in turn", CPUS[:3]), **OPTIONS)


def test_a_replica_is_taken_out_of_what_is_stacked():
    states = starts(2)
    taken = take_replica(stack_replicas(states), 1)
    jax.tree.map(np.testing.assert_array_equal, taken.params, states[1].params)
    assert taken.key == states[1].key
