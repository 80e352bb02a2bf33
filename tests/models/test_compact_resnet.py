import jax
import numpy as np
import pytest
from networks import drawn_variables, shapes_of

from jaxcnn import ops
from jaxcnn.models import CompactResNet, output_shapes


def test_no_map_has_the_size_of_the_image():
    shapes = output_shapes(CompactResNet(), (28, 28, 1)).values()
    assert {shape[:2] for shape in shapes if len(shape) == 3} == {(12, 12), (6, 6), (3, 3)}


def test_features_give_the_stages():
    params = shapes_of(CompactResNet(stem_features=8, features=(12, 20), residuals=(1, 2)), (1, 28, 28, 3))[1]["params"]
    kernels = {name: layer["kernel"].shape for name, layer in params.items() if "kernel" in layer}
    assert kernels == {
        "stem_conv": (5, 5, 3, 8),
        "stage1_conv1": (3, 3, 8, 12), "stage1_conv2": (3, 3, 12, 12),
        "stage2_conv1": (3, 3, 12, 20), "stage2_conv2": (3, 3, 20, 20), "stage2_conv3": (3, 3, 20, 20),
        "dense": (20, 10),
    }  # fmt: skip


def test_equals_its_formula():
    model = CompactResNet(stem_features=3, features=(4, 5), residuals=(0, 1))
    images = jax.random.uniform(jax.random.key(1), (2, 13, 15, 1))
    variables = drawn_variables(model, images.shape)
    params, statistics = (jax.tree.map(np.asarray, variables[name]) for name in ("params", "batch_stats"))

    def convolve(x, name, strides=1, padding=1):
        y = np.asarray(ops.conv2d(x, params[name]["kernel"], strides=strides, padding=padding))
        norm = name.replace("conv", "norm")
        y = (y - statistics[norm]["mean"]) / np.sqrt(statistics[norm]["var"] + 1e-5)
        return jax.nn.gelu(y * params[norm]["scale"] + params[norm]["bias"])

    x = convolve(images, "stem_conv", 2, 0)
    x = ops.max_pool2d(convolve(x, "stage1_conv1"), 2)
    x = convolve(x, "stage2_conv1")
    x = x + convolve(x, "stage2_conv2")
    expected = x.max(axis=(1, 2)) @ params["dense"]["kernel"] / 4
    np.testing.assert_allclose(model.apply(variables, images, train=False), expected, rtol=1e-4, atol=1e-5)


def test_each_stage_needs_its_residuals():
    with pytest.raises(ValueError, match=r"expected one number of residuals for each stage"):
        shapes_of(CompactResNet(features=(4, 5)), (1, 28, 28, 1))
