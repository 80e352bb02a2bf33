"""Weights in safetensors files, whose tensors are sorted by name."""

import jax
import numpy as np
import pytest
from networks import drawn_variables
from safetensors.numpy import save_file

from jaxcnn import InputError, layers, models
from jaxcnn.interop import export_network, load_weights, variables_to_torch

NORMED = models.LeNet(norm=layers.library_batch_norm)
RESNET = models.ResNet(stage_sizes=(1, 2), use_bias=False)
DEEP = models.ResNet(stage_sizes=(1, 1), block=models.resnet.Bottleneck, use_bias=False)


def torchvision_names(model, wide):
    """The names of the tensors in torchvision's state_dict, in its order."""
    convs = 3 if wide else 2
    names = ["conv1.weight", *(f"bn1.{kind}" for kind in ("weight", "bias", "running_mean", "running_var"))]
    for stage, count in enumerate(model.stage_sizes, start=1):
        for block in range(count):
            parts = [(f"conv{i}", f"bn{i}") for i in range(1, convs + 1)]
            if block == 0 and (stage > 1 or wide):
                parts.append(("downsample.0", "downsample.1"))
            for conv, norm in parts:
                names.append(f"layer{stage}.{block}.{conv}.weight")
                names += [
                    f"layer{stage}.{block}.{norm}.{kind}" for kind in ("weight", "bias", "running_mean", "running_var")
                ]
    return [*names, "fc.weight", "fc.bias"]


def assert_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.parametrize("model", [NORMED, models.LeNet()])
def test_an_exported_file_is_read(model, tmp_path):
    variables = drawn_variables(model, (1, 28, 28, 1))
    path = tmp_path / "lenet.safetensors"
    export_network(model.apply, variables, path, format="safetensors", image_shape=(28, 28, 1))
    assert_equal(load_weights(path, model, 28), variables)


@pytest.mark.parametrize(("model", "wide"), [(RESNET, False), (DEEP, True)])
def test_torchvision_names_are_matched(model, wide, tmp_path):
    variables = drawn_variables(model.clone(num_classes=7), (1, 32, 32, 3))
    names = torchvision_names(model, wide)
    state_dict = variables_to_torch(model.clone(num_classes=7), variables, (32, 32, 3), names=names)
    save_file({**state_dict, "bn1.num_batches_tracked": np.int64(9)[None].reshape(())}, tmp_path / "a.safetensors")
    assert_equal(load_weights(tmp_path / "a.safetensors", model, 32), variables)


def test_names_of_variables_to_torch_are_matched(tmp_path):
    variables = drawn_variables(NORMED.clone(num_classes=3), (1, 28, 28, 3))
    save_file(variables_to_torch(NORMED.clone(num_classes=3), variables, (28, 28, 3)), tmp_path / "a.safetensors")
    assert_equal(load_weights(tmp_path / "a.safetensors", NORMED, 28), variables)


def test_weights_without_biases_name_the_remedy(tmp_path):
    state_dict = variables_to_torch(RESNET, drawn_variables(RESNET, (1, 32, 32, 3)), (32, 32, 3))
    state_dict = dict(zip(torchvision_names(RESNET, False), state_dict.values(), strict=True))
    save_file(state_dict, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=r"a.safetensors: conv1.bias .* is missing.*make ResNet with use_bias=False"):
        load_weights(tmp_path / "a.safetensors", RESNET.clone(use_bias=True), 32)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["0.weight", "0.bias"],
            r"has tensors that ResNet lacks \(0.bias, 0.weight\): expected names such as conv1.weight, ",
        ),
        (["conv1.weight", "layer1.1.conv1.weight"], r"has tensors that ResNet lacks \(layer1.1.conv1.weight\)"),
        ([], "has no tensors"),
    ],
)
def test_tensors_with_other_names_raise(names, message, tmp_path):
    save_file({name: np.zeros(2, np.float32) for name in names}, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match=message):
        load_weights(tmp_path / "a.safetensors", RESNET, 32)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a file of torch.save" * 9])
def test_a_file_of_another_format_raises(content, tmp_path):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"a.pth cannot be read \(.*\): expected a float32 safetensors file") as raised:
        load_weights(tmp_path / "a.pth", NORMED, 28)
    assert "\n" not in str(raised.value)
