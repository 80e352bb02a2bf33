"""Conversion of weights to and from PyTorch's layout, without PyTorch."""

import jax
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from networks import drawn_variables

from jaxcnn import InputError, layers, models
from jaxcnn.interop import variables_from_torch, variables_to_torch

LENET, SHAPE = models.LeNet(), (28, 28, 1)
NORMED = models.LeNet(norm=layers.scratch_batch_norm)


@pytest.fixture
def state_dict():
    return variables_to_torch(LENET, drawn_variables(LENET, (1, *SHAPE)), SHAPE)


@pytest.mark.parametrize(
    ("model", "image_shape"),
    [
        (LENET, SHAPE),
        (models.LeNet(), (20, 28, 3)),
        (NORMED, SHAPE),
        (models.GoogLeNet(), (32, 32, 1)),
        (models.ResNet18(), (32, 32, 1)),
        (models.ResNet50(), (32, 32, 3)),
        (models.DenseNet(), (32, 32, 1)),
        (models.CompactResNet(), SHAPE),
    ],
)
def test_round_trip_is_exact(model, image_shape):
    variables = drawn_variables(model, (1, *image_shape))
    back = variables_from_torch(model, variables_to_torch(model, variables, image_shape), image_shape)
    jax.tree.map(np.testing.assert_array_equal, back, variables)


def test_default_names_follow_the_order_of_the_constructors():
    names = list(variables_to_torch(models.ResNet18(), drawn_variables(models.ResNet18(), (1, *SHAPE)), SHAPE))
    assert names[:6] == [
        "conv1.weight",
        "conv1.bias",
        "norm1.weight",
        "norm1.bias",
        "norm1.running_mean",
        "norm1.running_var",
    ]
    in_block = [name.removeprefix("stage2_block1.") for name in names if name.startswith("stage2_block1.")]
    assert [name.split(".")[0] for name in in_block if name.endswith("weight")] == [
        "conv1", "conv2", "conv3", "norm1", "norm2"
    ]  # fmt: skip


def test_kernels_and_matrices_are_transposed():
    variables = drawn_variables(LENET, (1, *SHAPE))
    params, out = variables["params"], variables_to_torch(LENET, variables, SHAPE)
    np.testing.assert_array_equal(out["conv2.weight"][3, 5], params["conv2"]["kernel"][:, :, 5, 3])
    np.testing.assert_array_equal(out["dense2.weight"], params["dense2"]["kernel"].T)


def test_rows_after_a_flatten_are_reordered():
    """Channel c at (i, j) is input c * H * W + i * W + j in PyTorch and i * W * C + j * C + c here."""
    variables = drawn_variables(LENET, (1, 28, 20, 1))  # 4 x 2 x 16 before the flatten
    ours = np.asarray(variables["params"]["dense1"]["kernel"])
    theirs = variables_to_torch(LENET, variables, (28, 20, 1))["dense1.weight"]
    for c, i, j in [(0, 0, 0), (5, 2, 1), (15, 3, 0)]:
        np.testing.assert_array_equal(theirs[:, c * 8 + i * 2 + j], ours[i * 32 + j * 16 + c])


def test_custom_names_are_used(state_dict):
    names = [f"anything.{number}" for number in range(len(state_dict))]
    variables = variables_from_torch(LENET, state_dict, SHAPE)
    named = variables_to_torch(LENET, variables, SHAPE, names=[*names, "1.num_batches_tracked"])
    assert list(named) == names
    jax.tree.map(np.testing.assert_array_equal, list(named.values()), list(state_dict.values()))


def test_arrays_are_contiguous_and_writable(state_dict):
    """As torch.from_numpy expects."""
    assert all(array.flags.c_contiguous and array.flags.writeable for array in state_dict.values())


def test_scalars_are_ignored(state_dict):
    assert variables_from_torch(LENET, {"num_batches_tracked": np.int64(7), **state_dict}, SHAPE)


def test_statistics_are_reset_on_request():
    out = variables_to_torch(NORMED, drawn_variables(NORMED, (1, *SHAPE)), SHAPE)
    params = {name: array for name, array in out.items() if "running" not in name}
    for weights in (params, out):
        variables = variables_from_torch(NORMED, weights, SHAPE, reset_statistics=True)
        np.testing.assert_array_equal(variables["batch_stats"]["norm1"]["var"], np.zeros(6))
        np.testing.assert_array_equal(variables["params"]["norm1"]["scale"], out["norm1.weight"])


def test_a_reset_without_batch_norm_changes_nothing(state_dict):
    variables = variables_from_torch(LENET, state_dict, SHAPE, reset_statistics=True)
    jax.tree.map(np.testing.assert_array_equal, variables, variables_from_torch(LENET, state_dict, SHAPE))


def without(word):
    return lambda weights: {name: array for name, array in weights.items() if word not in name}


def swapped(weights):
    names = {"norm1.running_mean": "norm1.running_var", "norm1.running_var": "norm1.running_mean"}
    return {names.get(name, name): array for name, array in weights.items()}


@pytest.mark.parametrize(
    ("what", "change", "message"),
    [
        ("without running statistics", without("running"), "norm1.running_mean (6,) and all other running statistics"),
        ("sorted by name", lambda weights: dict(sorted(weights.items())), "conv1.bias: expected conv1.weight"),
        ("with mean and variance swapped", swapped, "norm1.running_var: expected norm1.running_mean (6,)"),
        ("without the bias of a convolution", without("conv2.bias"), "conv2.bias (16,) is missing before norm2.weight"),
    ],
)
def test_tensors_in_other_places_raise(record_fault, what, change, message):
    weights = change(variables_to_torch(NORMED, drawn_variables(NORMED, (1, *SHAPE)), SHAPE))
    with pytest.raises(InputError) as raised:
        variables_from_torch(NORMED, weights, SHAPE)
    assert message in str(raised.value)
    record_fault(f"weights {what}", "an `InputError` that names the tensor", str(raised.value))


def test_the_words_of_the_chapter_are_known():
    words = {"norm1.weight": "bn.gamma", "norm1.bias": "bn.beta", "norm1.running_mean": "bn.moving_mean"}
    out = variables_to_torch(NORMED, drawn_variables(NORMED, (1, *SHAPE)), SHAPE)
    assert variables_from_torch(NORMED, {words.get(name, name): array for name, array in out.items()}, SHAPE)
    words |= {"norm1.weight": "bn.beta", "norm1.bias": "bn.gamma"}
    with pytest.raises(InputError, match=r"bn.beta: expected norm1.weight \(6,\) for LeNet"):
        variables_from_torch(NORMED, {words.get(name, name): array for name, array in out.items()}, SHAPE)


def test_vectors_may_have_extra_axes_of_size_1():
    out = variables_to_torch(NORMED, drawn_variables(NORMED, (1, *SHAPE)), SHAPE)
    wide = {name: a.reshape(1, -1, 1, 1) if name.startswith("norm") else a for name, a in out.items()}
    jax.tree.map(
        np.testing.assert_array_equal,
        variables_from_torch(NORMED, wide, SHAPE),
        variables_from_torch(NORMED, out, SHAPE),
    )


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("of another shape", {"conv2.weight": np.zeros((16, 6, 3, 3))}),
        ("with a NaN", {"conv1.bias": np.full(6, np.nan)}),
        ("with an infinity", {"dense3.weight": np.full((10, 84), np.inf)}),
        ("beyond float32", {"conv1.bias": np.full(6, 1e39)}),
        ("of complex numbers", {"conv1.bias": np.zeros(6, complex)}),
        ("of strings", {"conv1.bias": ["a"] * 6}),
        ("of objects", {"conv1.bias": np.full(6, None)}),
        ("with ragged rows", {"conv1.bias": [[1], [1, 2]]}),
        ("missing", {"dense3.bias": None}),
        ("left over", {"more": np.zeros(3)}),
    ],
)
def test_the_error_names_an_invalid_tensor(state_dict, record_fault, what, change):
    weights = {name: array for name, array in {**state_dict, **change}.items() if array is not None}
    with pytest.raises(InputError) as raised:
        variables_from_torch(LENET, weights, SHAPE)
    (name,) = change
    assert name in str(raised.value)
    record_fault(f"weights with a tensor {what}", "an `InputError` that names the tensor", str(raised.value))


VALUES = st.one_of(
    hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=4, max_side=6)),
    st.recursive(st.integers() | st.floats() | st.text() | st.none(), lambda inner: st.lists(inner, max_size=3)),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.dictionaries(st.sampled_from(["conv1.weight", "conv1.bias", "dense3.bias", "more"]), VALUES))
def test_any_tensors_are_accepted_or_rejected_in_one_line(state_dict, changes):
    message = ""
    try:
        variables_from_torch(LENET, {**state_dict, **changes}, SHAPE)
    except InputError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.usefixtures("without_type_checks")
def test_a_file_name_raises():
    with pytest.raises(InputError, match="weights of type str: expected a mapping from names to tensors"):
        variables_from_torch(LENET, "weights.pt", SHAPE)


def test_variables_of_another_network_raise():
    variables = drawn_variables(LENET, (1, *SHAPE))
    with pytest.raises(InputError, match="params/norm1/scale is missing: expected the variables of LeNet"):
        variables_to_torch(NORMED, variables, SHAPE)
    with pytest.raises(InputError, match=r"params/dense1/kernel \(256, 120\): expected \(400, 120\) for LeNet"):
        variables_to_torch(LENET, variables, (32, 32, 1))


def test_wrong_number_of_names_raises():
    with pytest.raises(InputError, match="2 names: expected 10, one for each tensor of LeNet"):
        variables_to_torch(LENET, drawn_variables(LENET, (1, *SHAPE)), SHAPE, names=["a", "b"])


def test_names_in_other_places_raise(state_dict):
    variables = variables_from_torch(LENET, state_dict, SHAPE)
    with pytest.raises(InputError, match=r"conv1.bias: expected conv1.weight"):
        variables_to_torch(LENET, variables, SHAPE, names=sorted(state_dict))


class NormAfterFlatten(nn.Module):
    """A norm between the flattened maps and the dense layer, as torch.nn.BatchNorm1d after torch.nn.Flatten."""

    @nn.compact
    def __call__(self, x, *, train):
        x = layers.Flatten(name="flatten")(layers.Conv(3, 3, name="conv")(x))
        return layers.Dense(2, name="dense")(layers.BatchNorm(use_running_average=not train, name="norm")(x))


def test_a_norm_of_flattened_maps_has_the_order_of_pytorch():
    variables = drawn_variables(NormAfterFlatten(), (1, 5, 5, 1))
    state_dict = variables_to_torch(NormAfterFlatten(), variables, (5, 5, 1))
    image = np.random.default_rng(0).random((1, 5, 5, 1)).astype(np.float32)
    maps = NormAfterFlatten().apply(
        variables, image, train=False, capture_intermediates=True, mutable=["intermediates"]
    )
    logits, captured = maps
    features = np.asarray(captured["intermediates"]["conv"]["__call__"][0])[0].transpose(2, 0, 1).reshape(-1)
    scale, bias, mean, var = (state_dict[f"norm.{name}"] for name in ("weight", "bias", "running_mean", "running_var"))
    normed = (features - mean) / np.sqrt(var + 1e-5) * scale + bias
    np.testing.assert_allclose(state_dict["dense.weight"] @ normed + state_dict["dense.bias"], logits[0], rtol=1e-4)
    back = variables_from_torch(NormAfterFlatten(), state_dict, (5, 5, 1))
    jax.tree.map(np.testing.assert_array_equal, back, variables)


class TwoHeads(nn.Module):
    """Two dense layers that take the same flattened maps."""

    @nn.compact
    def __call__(self, x, *, train):  # noqa: ARG002
        x = layers.Flatten(name="flatten")(layers.Conv(3, 3, name="conv")(x))
        return layers.Dense(2, name="first")(x) + layers.Dense(2, name="second")(x)


def test_all_dense_layers_after_a_flatten_are_reordered():
    variables = drawn_variables(TwoHeads(), (1, 5, 5, 1))
    state_dict = variables_to_torch(TwoHeads(), variables, (5, 5, 1))
    for name in ("first", "second"):
        kernel = np.asarray(variables["params"][name]["kernel"]).reshape(3, 3, 3, 2)
        np.testing.assert_array_equal(state_dict[f"{name}.weight"], kernel.transpose(3, 2, 0, 1).reshape(2, -1))
    back = variables_from_torch(TwoHeads(), state_dict, (5, 5, 1))
    jax.tree.map(np.testing.assert_array_equal, back, variables)


def test_layers_that_pytorch_does_not_have_raise():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):  # noqa: ARG002
            return layers.Dense(2, name="dense")(nn.Conv(3, (3, 3), name="conv")(x).mean((1, 2)))

    variables = drawn_variables(Net(), (1, 5, 5, 1))
    for convert, given_ in ((variables_to_torch, variables), (variables_from_torch, {"dense.weight": np.ones((2, 3))})):
        with pytest.raises(InputError, match=r"params/conv/(kernel|bias) of Net has no tensor of PyTorch"):
            convert(Net(), given_, (5, 5, 1))
