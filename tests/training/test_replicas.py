import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from networks import Small

from jaxcnn.data import Augmentation
from jaxcnn.training import (
    Layout,
    ReplicasChunk,
    create_train_state,
    fit,
    fit_replicas,
    run_epochs,
    stack_replicas,
    take_replica,
)

CPUS = tuple(jax.devices("cpu"))
IN_TURN = Layout("in turn", CPUS[:1])
OPTIONS = {"num_epochs": 2, "batch_size": 100, "augment": Augmentation(shift=1), "label_smoothing": 0.1}
OPTIMIZER = optax.sgd(0.1, momentum=0.9)  # by Adam's rule a gradient of nothing but rounding moves as any other


def starts(count):
    return [create_train_state(Small(), OPTIMIZER, jax.random.key(seed), (28, 28, 1)) for seed in range(count)]


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
    for event in run_epochs(state, sample, chunk_steps=1, layout=IN_TURN, **OPTIONS):
        if isinstance(event, ReplicasChunk) and event.steps_done == 4:
            break
    assert event.train_loss.shape == (2,)
    assert event.replica(1).train_loss == event.train_loss[1]
    assert event.replica(0).diverged_at is None
    kept, metrics = jax.tree.map(jnp.copy, (event.state, event.metrics))
    *_, resumed = run_epochs(kept, sample, metrics=metrics, layout=IN_TURN, **OPTIONS)
    jax.tree.map(np.testing.assert_array_equal, resumed.state.variables, whole.state.variables)
    np.testing.assert_array_equal(resumed.train_loss, whole.train_loss)


def test_a_replica_that_diverges_is_told_apart(sample):
    good, bad = starts(2)
    bad = bad.replace(params=jax.tree.map(lambda leaf: leaf * np.nan, bad.params))
    chunk = next(iter(run_epochs(stack_replicas([good, bad]), sample, layout=IN_TURN, **OPTIONS)))
    assert [chunk.replica(index).diverged_at for index in range(2)] == [None, 1]


def test_times_are_shared_out_among_the_replicas(sample):
    epoch = next(iter(fit_replicas(stack_replicas(starts(2)), sample, **OPTIONS)))
    assert sum(epoch.replica(index).seconds for index in range(2)) == pytest.approx(epoch.seconds)


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
