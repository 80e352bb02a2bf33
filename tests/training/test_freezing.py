"""Frozen layers: a step changes neither their parameters nor their batch statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn
from networks import Small, all_equations

from jaxcnn import InputError, data, layers
from jaxcnn.training import Placement, create_train_state, fit_ensemble, freeze, stack_members, train_step
from jaxcnn.training.freezing import freeze_apply, freeze_optimizer

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1), np.uint8)
LABELS = np.arange(8)
OPTIMIZER = optax.adamw(0.01, weight_decay=0.5)


def initial(optimizer=OPTIMIZER):
    return create_train_state(Small(), optimizer, jax.random.key(0), (28, 28, 1))


def changed(before, after):
    """The names of the layers whose variables differ."""
    return {
        name
        for collection in ("params", "batch_stats")
        for name, layer in before.variables[collection].items()
        for variable, value in layer.items()
        if not np.array_equal(value, after.variables[collection][name][variable])
    }


@pytest.mark.parametrize(
    ("patterns", "trained"),
    [
        ([], {"conv", "norm", "dense"}),
        (["conv"], {"norm", "dense"}),
        (["conv*", "norm/**"], {"dense"}),
        (["*o?*"], {"dense"}),
        (["dense/kernel", "dense/bias"], {"conv", "norm"}),
    ],
)
def test_only_layers_that_are_not_frozen_change(patterns, trained):
    state = after = freeze(initial(), patterns)
    for _ in range(2):
        after, _ = train_step(after, IMAGES, LABELS)
    assert changed(state, after) == trained


@pytest.mark.parametrize("kind", ["sequential", "vmap"])
def test_members_of_an_ensemble_keep_their_frozen_layers(kind):
    members = [create_train_state(Small(), OPTIMIZER, seed, (28, 28, 1)) for seed in range(2)]
    states = [freeze(member, ["conv", "norm"]) for member in members]
    dataset = data.Dataset.from_arrays(IMAGES, LABELS, IMAGES, LABELS)
    placement = Placement(kind, tuple(jax.devices()[:1]))
    (epoch,) = fit_ensemble(stack_members(states), dataset, num_epochs=1, batch_size=4, placement=placement)
    for number, state in enumerate(states):
        assert changed(state, epoch.member(number).state) == {"dense"}


def test_the_gradients_of_frozen_parameters_are_not_computed():
    state = initial()
    frozen = freeze(state, ["conv", "norm"])

    def convolutions(state):
        program = jax.make_jaxpr(train_step)(state, jnp.asarray(IMAGES), jnp.asarray(LABELS))
        return sum("conv_general" in str(equation.primitive) for equation in all_equations(program.jaxpr))

    assert convolutions(frozen) < convolutions(state)
    _, metrics = train_step(frozen, IMAGES, LABELS)
    gradients = train_step(freeze(initial(optax.sgd(1.0)), ["conv", "norm"]), IMAGES, LABELS)[0].params["dense"]
    expected = optax.tree.norm(jax.tree.map(jnp.subtract, gradients, state.params["dense"]))
    np.testing.assert_allclose(metrics["gradient_norm"], expected, rtol=1e-4)


class Normed(nn.Module):
    """A batch norm, in one of its forms, whose output is the logits."""

    form: str

    @nn.compact
    def __call__(self, x, *, train):
        x = x.mean((1, 2))
        match self.form:
            case "ours":
                return layers.BatchNorm(use_running_average=not train, name="norm")(x)
            case "flax":
                return nn.BatchNorm(use_running_average=not train, name="norm")(x)
            case "with an argument of the call":
                return layers.BatchNorm(name="norm")(x, use_running_average=not train)
            case _:
                return nn.BatchNorm(name="norm")(x, not train)


@pytest.mark.parametrize("form", ["ours", "flax", "with an argument of the call", "with a positional argument"])
def test_a_frozen_norm_uses_its_running_statistics(form):
    x = np.random.default_rng(0).normal(3, 2, (8, 1, 1, 4)).astype(np.float32)
    stats = {"mean": np.arange(4, dtype=np.float32), "var": np.arange(1, 5, dtype=np.float32)}
    variables = {
        "params": {"norm": {"scale": np.full(4, 2, np.float32), "bias": np.ones(4, np.float32)}},
        "batch_stats": {"norm": stats},
    }
    apply = freeze_apply(Normed(form).apply, ("norm",))
    logits, updates = apply(variables, x, train=True, mutable=["batch_stats"])
    expected = 2 * (x[:, 0, 0] - stats["mean"]) / np.sqrt(stats["var"] + 1e-5) + 1
    np.testing.assert_allclose(logits, expected, rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, updates["batch_stats"]["norm"], stats)
    others = freeze_apply(Normed(form).apply, ("norm/scale",))(variables, x, train=True, mutable=["batch_stats"])
    assert not np.array_equal(others[1]["batch_stats"]["norm"]["mean"], stats["mean"]), "its statistics are not frozen"


def test_statistics_without_use_running_average_cannot_be_frozen():
    class Own(nn.Module):
        @nn.compact
        def __call__(self, x):
            return x + self.variable("batch_stats", "mean", jnp.zeros, ()).value

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Dense(2, name="dense")(Own(name="own")(x.mean((1, 2))))

    model = Network()
    variables = model.init(jax.random.key(0), jnp.zeros((1, 2, 2, 1)))
    with pytest.raises(InputError, match="freeze: own has batch statistics but no field use_running_average"):
        freeze_apply(model.apply, ("own",))(variables, jnp.zeros((1, 2, 2, 1)))


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (
            ["conw*"],
            r"freeze 'conw\*' matches no parameter: expected some of the layers conv, dense, norm, or param",
        ),
        (["conv", "norm/mean"], "freeze 'norm/mean' matches no parameter"),
        (["*"], r"freeze '\*' matches all parameters, so none is trained"),
        (["conv", "norm", "dense"], "freeze 'conv,norm,dense' matches all parameters"),
    ],
)
def test_patterns_match_some_parameters(patterns, message):
    with pytest.raises(InputError, match=message):
        freeze(initial(), patterns)


def test_equal_arguments_share_compiled_programs():
    one, other = freeze(initial(), ["conv"]), freeze(initial(), ["conv"])
    assert one.apply_fn is other.apply_fn
    assert one.tx is other.tx is freeze_optimizer(OPTIMIZER, ("conv",))
