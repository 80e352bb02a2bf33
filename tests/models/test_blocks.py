"""The book's blocks on the book's small inputs, and the inputs that a block rejects."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import all_equations, drawn_variables

from jaxcnn.models import VGG11, DenseNet, GoogLeNet, ResNet
from jaxcnn.models.densenet import DenseBlock, Transition
from jaxcnn.models.googlenet import Inception
from jaxcnn.models.resnet import Bottleneck, Residual
from jaxcnn.models.shapes import output_shapes


def shape_of(block, x_shape):
    x = jnp.zeros(x_shape)
    return jax.eval_shape(partial(block.init_with_output, train=False), jax.random.key(0), x)[0].shape


def test_residual_keeps_the_shape_or_projects():
    assert shape_of(Residual(3), (4, 6, 6, 3)) == (4, 6, 6, 3)
    assert shape_of(Residual(6, strides=2, project=True), (4, 6, 6, 3)) == (4, 3, 3, 6)
    assert shape_of(Bottleneck(6, strides=2, project=True), (4, 6, 6, 3)) == (4, 3, 3, 24)


@pytest.mark.parametrize("block", [Residual(6), Residual(3, strides=2), Bottleneck(3)])
def test_residual_without_a_needed_projection_raises(block):
    with pytest.raises(ValueError, match="set project=True"):
        shape_of(block, (4, 6, 6, 3))


@pytest.mark.parametrize(("block", "shortcut"), [(Residual, "3"), (Bottleneck, "4")])
def test_residual_without_biases_has_a_norm_after_each_conv(block, shortcut):
    params = drawn_variables(block(6, strides=2, project=True, use_bias=False), (1, 6, 6, 3))["params"]
    assert not any("bias" in layer for name, layer in params.items() if name.startswith("conv"))
    assert f"norm{shortcut}" in params
    assert {name.replace("conv", "norm") for name in params} == {name for name in params if "norm" in name}
    assert f"norm{shortcut}" not in drawn_variables(block(6, strides=2, project=True), (1, 6, 6, 3))["params"]


def test_resnet_with_a_small_stem_keeps_the_size_of_images():
    sizes = [
        output_shapes(ResNet(stage_sizes=(1,), small_stem=small), (28, 28, 1))["stage1_block1"]
        for small in (True, False)
    ]
    assert sizes == [(28, 28, 64), (7, 7, 64)]


def test_dense_block_adds_channels_and_transition_reduces_them():
    assert shape_of(DenseBlock(2, 10), (4, 8, 8, 3)) == (4, 8, 8, 23)
    assert shape_of(Transition(10), (4, 8, 8, 23)) == (4, 4, 4, 10)


@pytest.mark.parametrize(
    ("x_shape", "pooled"), [((1, 1), (1, 1)), ((1, 3), (1, 1)), ((4, 1), (2, 1)), ((2, 2), (1, 1)), ((3, 5), (1, 2))]
)
def test_transition_with_a_clipped_window_keeps_one_pixel(x_shape, pooled):
    """Norm and convolution are the identity here, so the output is the mean over the clipped window."""
    x = jax.random.uniform(jax.random.key(0), (2, *x_shape, 3))
    params = {"conv_block": {"conv": {"kernel": jnp.eye(3)[None, None], "bias": jnp.zeros(3)}}}
    block = Transition(3, clip_window=True, norm=lambda **_: lambda x: x)
    y = block.apply({"params": params}, x, train=False)
    rows, columns = (min(2, size) for size in x_shape)
    expected = np.asarray(x)[:, : pooled[0] * rows, : pooled[1] * columns].reshape(
        2, pooled[0], rows, pooled[1], columns, 3
    )
    np.testing.assert_allclose(np.asarray(y), expected.mean((2, 4)), rtol=1e-6)


def test_transition_on_one_pixel_raises_without_clip_window():
    with pytest.raises(ValueError, match="window"):
        shape_of(Transition(10), (4, 1, 1, 23))


@pytest.mark.parametrize(("sizes", "smallest"), [((4, 4, 4, 4), 29), ((4, 4, 4), 13), ((4,), 1)])
def test_densenet_names_its_minimum_size_unless_it_clips_windows(sizes, smallest):
    model = DenseNet(block_sizes=sizes)
    assert shape_of(model, (1, smallest, smallest, 1)) == (1, 10)
    assert shape_of(DenseNet(block_sizes=sizes, clip_window=True), (1, 1, 1, 1)) == (1, 10)
    if smallest > 1:
        with pytest.raises(ValueError, match=f"expected images of at least {smallest}x{smallest} pixels"):
            shape_of(model, (1, smallest, smallest - 1, 1))


def test_clip_window_changes_nothing_for_large_images():
    x = jax.random.uniform(jax.random.key(0), (2, 32, 32, 1))
    variables = drawn_variables(DenseNet(), x.shape)
    logits = [DenseNet(clip_window=clip).apply(variables, x, train=False) for clip in (False, True)]
    np.testing.assert_array_equal(*logits)


def test_dense_block_output_begins_with_its_input():
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    y, _ = DenseBlock(2, 5).init_with_output(jax.random.key(1), x, train=False)
    np.testing.assert_array_equal(y[..., :3], x)


def test_reductions_have_no_relu_by_default():
    """Negative kernels turn a reduction of -1 into 3 * 9 = 27. A relu would turn it into 0."""
    x = jax.random.normal(jax.random.key(0), (1, 5, 5, 3))
    params = {
        **Inception(2, (3, 4), (3, 4), 2).init(jax.random.key(1), x)["params"],
        "p2_1": {"kernel": jnp.zeros((1, 1, 3, 3)), "bias": jnp.full((3,), -1.0)},
        "p2_2": {"kernel": jnp.full((3, 3, 3, 4), -1.0), "bias": jnp.zeros(4)},
    }
    negative = {"params": params}
    book = np.asarray(Inception(2, (3, 4), (3, 4), 2).apply(negative, x))[0, 2, 2, 2:6]
    paper = Inception(2, (3, 4), (3, 4), 2, activate_reductions=True)
    with_relu = np.asarray(paper.apply(negative, x))[0, 2, 2, 2:6]
    np.testing.assert_array_equal(book, np.full(4, 27.0))
    np.testing.assert_array_equal(with_relu, np.zeros(4))


def test_googlenet_passes_activate_reductions_to_its_blocks():
    def relus(model):
        init = partial(model.init_with_output, train=False)
        program = jax.make_jaxpr(init)(jax.random.key(0), jnp.zeros((1, 16, 16, 1)))
        return sum(str(equation.primitive) == "max" for equation in all_equations(program.jaxpr))

    assert relus(GoogLeNet(activate_reductions=True)) - relus(GoogLeNet()) == 2 * 9


@pytest.mark.parametrize("ratio", [0, 3, 128])
def test_invalid_vgg_ratio_raises(ratio):
    with pytest.raises(ValueError, match=f"ratio {ratio}: expected a divisor of 64"):
        VGG11(ratio=ratio)


def test_vgg_at_full_width_has_the_books_widths():
    model = VGG11()
    assert [features for _, features in model.conv_arch] == [64, 128, 256, 512, 512]
    assert model.hidden == 4096
