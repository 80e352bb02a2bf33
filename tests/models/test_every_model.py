"""Properties of every network: the book's structure, and how it can be called."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from flax.training import train_state
from networks import OPTIMIZED, all_equations, drawn_variables, shapes_of

from jaxcnn import models, training
from jaxcnn.data.pipeline import prepare_images
from jaxcnn.recipes import RECIPES

NETWORKS = {name: recipe.model for name, recipe in RECIPES.items()} | {"compact_resnet": models.CompactResNet()}

SMALLEST = {
    "lenet": 16, "alexnet": 67, "vgg": 32, "nin": 67, "googlenet": 1, "lenet_bn_scratch": 16, "lenet_bn": 16,
    "resnet": 1, "densenet": 1, "compact_resnet": 11,
}  # fmt: skip

SMALL = {name: max(size, 32) for name, size in SMALLEST.items()}

# NiN's last relu needs several pixels per class: a class that is negative on every pixel never gets a gradient.
LEARNABLE = {**SMALL, "resnet": 16, "nin": 99}

PRODUCTS = {"dot_general", "conv_general_dilated"}

every_network = pytest.mark.parametrize("name", NETWORKS)


@pytest.mark.parametrize("name", RECIPES)
def test_activations_have_the_reference_shapes(name):
    """The reference shapes occur in their order among the shapes of all intermediate arrays."""
    model = RECIPES[name].model
    reference = [tuple(map(int, shape.split("x"))) for shape in RECIPES[name].reference_shapes.split()]
    images = jnp.zeros((1, *reference[0]))
    _, variables = shapes_of(model, images.shape)
    program = jax.make_jaxpr(lambda variables: model.apply(variables, images, train=False))(variables)
    computed = iter(
        [variable.aval.shape[1:] for equation in all_equations(program.jaxpr) for variable in equation.outvars
         if variable.aval.shape[:1] == (1,)]
    )  # fmt: skip
    for shape in reference[1:]:
        assert shape in computed, f"{shape} is not computed where the book has it"


@every_network
def test_names_its_minimum_image_size(name):
    model, smallest = NETWORKS[name], SMALLEST[name]
    assert shapes_of(model, (1, smallest, smallest, 1))[0].shape == (1, 10)
    if smallest > 1:
        message = f"at least {smallest}x{smallest} pixels, got {smallest}x{smallest - 1}; resize them"
        with pytest.raises(ValueError, match=message):
            shapes_of(model, (1, smallest, smallest - 1, 1))


@pytest.mark.parametrize("build", [models.ResNet18, models.ResNet34, models.ResNet50, models.VGG11])
def test_equal_calls_build_equal_and_documented_networks(build):
    assert build(num_classes=7) == build(num_classes=7) != build()
    assert hash(build(num_classes=7)) == hash(build(num_classes=7))
    assert build(name="backbone").name == "backbone"
    for section in ("Args:", "Returns:", "Examples:", "References:"):
        assert section in build.__doc__


@every_network
def test_accepts_any_size_channels_classes_and_no_images(name):
    model = NETWORKS[name].clone(num_classes=7)
    assert shapes_of(model, (0, SMALL[name] + 3, SMALL[name] + 8, 3))[0].shape == (0, 7)


@every_network
def test_every_submodule_has_an_explicit_name(name):
    """Flax's automatic names, such as Conv_0, change when a layer is inserted."""
    _, variables = shapes_of(NETWORKS[name], (1, SMALL[name], SMALL[name], 1))
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(variables)]
    assert not [path for path in paths if "_0" in path or path != path.lower()]


@every_network
def test_every_parameter_has_a_finite_nonzero_gradient(name):
    model = NETWORKS[name]
    images = jax.random.uniform(jax.random.key(1), (4, SMALL[name], SMALL[name], 1))
    variables = drawn_variables(model, images.shape)
    statistics = variables.get("batch_stats", {})

    @jax.jit
    def gradients_of(params):
        def loss(params):
            logits, _ = model.apply(
                {"params": params, "batch_stats": statistics}, images, train=True, mutable=["batch_stats"],
                rngs={"dropout": jax.random.key(2)},
            )  # fmt: skip
            return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.arange(4)).mean()

        return jax.grad(loss)(params)

    for path, gradient in jax.tree_util.tree_leaves_with_path(gradients_of(variables["params"])):
        assert np.isfinite(gradient).all(), jax.tree_util.keystr(path)
        assert np.abs(gradient).max() > 0, jax.tree_util.keystr(path)


@pytest.mark.usefixtures("standard_promotion")
@every_network
def test_bfloat16_computation_keeps_float32_variables(name):
    model = NETWORKS[name].clone(dtype=jnp.bfloat16)
    images = jax.random.uniform(jax.random.key(1), (2, SMALL[name], SMALL[name], 1))
    variables = drawn_variables(model, images.shape)
    logits = jax.jit(lambda variables: model.apply(variables, images, train=False))(variables)
    assert logits.dtype == jnp.bfloat16
    program = jax.make_jaxpr(lambda variables: model.apply(variables, images, train=False))(variables)
    products = [each for each in all_equations(program.jaxpr) if each.primitive.name in PRODUCTS]
    assert {variable.aval.dtype for each in products for variable in each.invars} == {jnp.dtype(jnp.bfloat16)}
    assert np.isfinite(np.asarray(logits, np.float32)).all()
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize("name", ["alexnet", "vgg", "nin"])
def test_dropout_is_random_only_in_training(name):
    model = NETWORKS[name]
    images = jax.random.uniform(jax.random.key(1), (2, SMALL[name], SMALL[name], 1))
    variables = drawn_variables(model, images.shape)
    train = jax.jit(lambda key: model.apply(variables, images, train=True, rngs={"dropout": key}))
    predict = jax.jit(lambda: model.apply(variables, images, train=False))
    assert np.abs(train(jax.random.key(0)) - train(jax.random.key(1))).max() > 0
    np.testing.assert_array_equal(train(jax.random.key(0)), train(jax.random.key(0)))
    np.testing.assert_array_equal(predict(), predict())


@every_network
def test_can_be_wrapped_as_an_nnx_module(name):
    model = NETWORKS[name]
    images = jnp.zeros((1, SMALL[name], SMALL[name], 1))

    @jax.eval_shape
    def logits():
        wrapped = nnx.bridge.ToNNX(model, rngs=nnx.Rngs(params=0, dropout=1))
        nnx.bridge.lazy_init(wrapped, images, train=False)
        return wrapped(images, train=False)

    assert logits.shape == (1, 10)


@every_network
def test_can_be_tabulated(name):
    model = NETWORKS[name]
    images = jnp.zeros((1, SMALL[name], SMALL[name], 1))
    table = model.tabulate(jax.random.key(0), images, train=False, depth=1)
    assert f"{type(model).__name__} Summary" in table


class State(train_state.TrainState):
    """Flax's train state with batch statistics."""

    batch_stats: dict


def plain_step(state, images, labels):
    """A training step as in Flax's documentation."""

    def loss_of(params):
        variables = {"params": params, "batch_stats": state.batch_stats}
        logits, updates = state.apply_fn(
            variables, images, train=True, mutable=["batch_stats"], rngs={"dropout": jax.random.key(0)}
        )
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean(), updates

    (loss, updates), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    return state.apply_gradients(grads=gradients, batch_stats=updates.get("batch_stats", {})), loss


def plain_state(model, shape):
    variables = drawn_variables(model, shape)
    return State.create(
        apply_fn=model.apply,
        params=variables["params"],
        batch_stats=variables.get("batch_stats", {}),
        tx=optax.sgd(0.1),
    )


@every_network
def test_works_with_a_plain_flax_training_step(name):
    images, labels = jnp.zeros((4, SMALL[name], SMALL[name], 1)), jnp.arange(4)
    state = plain_state(NETWORKS[name], images.shape)
    following, loss = jax.eval_shape(plain_step, state, images, labels)
    assert loss.shape == ()
    assert jax.tree.map(jnp.shape, following.params) == jax.tree.map(jnp.shape, state.params)


@pytest.mark.parametrize("name", ["lenet_bn_scratch", "lenet_bn"])
def test_learns_in_a_plain_flax_training_loop(name):
    images = jax.random.uniform(jax.random.key(1), (8, 28, 28, 1))
    state = plain_state(NETWORKS[name], images.shape)
    step = jax.jit(plain_step)
    losses = []
    for _ in range(10):
        state, loss = step(state, images, jnp.arange(8))
        losses.append(float(loss))
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", ["lenet", "lenet_bn_scratch", "lenet_bn", "vgg", "nin", "resnet"])
def test_overfits_four_images(name, sample):
    """The recipe's training step, on one image of each of four classes. One network of each kind is enough."""
    recipe = RECIPES[name]
    model = recipe.model.clone(dropout_rate=0.0) if hasattr(recipe.model, "dropout_rate") else recipe.model
    rows = [int(np.argmax(sample.train_labels == label)) for label in range(4)]
    images = prepare_images(jnp.asarray(sample.train_images[rows]), LEARNABLE[name])
    variables = drawn_variables(model, images.shape, seed=2)
    optimizer = recipe.make_optimizer()
    state = training.TrainState(
        step=jnp.int32(0), params=variables["params"], batch_stats=variables.get("batch_stats", {}),
        opt_state=optimizer.init(variables["params"]), key=jax.random.key(0), apply_fn=model.apply, tx=optimizer,
    )  # fmt: skip
    step = jax.jit(training.train_step, compiler_options=OPTIMIZED)
    accuracy = 0.0
    while accuracy < 0.99 and state.step < 2000:
        state, metrics = step(state, images, jnp.arange(4))
        accuracy = float(metrics.accuracy)
    assert accuracy > 0.99, f"{accuracy} after {int(state.step)} steps"


@pytest.mark.parametrize(
    ("model", "published", "projection"),
    [(models.ResNet34, 21_797_672, "conv3"), (models.ResNet50, 25_557_032, "conv4")],
)
def test_deep_resnets_have_the_published_parameter_count(model, published, projection):
    """The published networks have no biases in convolutions, and a norm after each projection."""
    params = shapes_of(model(num_classes=1000), (1, 224, 224, 3))[1]["params"]
    sizes = {
        tuple(entry.key for entry in path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(params)
    }
    biases = sum(shape[0] for path, shape in sizes.items() if path[-2].startswith("conv") and path[-1] == "bias")
    projected = sum(shape[0] for path, shape in sizes.items() if path[-2:] == (projection, "bias") and len(path) == 3)
    if projection == "conv3":
        assert projected == 128 + 256 + 512
    total = sum(int(np.prod(shape)) for shape in sizes.values())
    assert total - biases + 2 * projected == published
