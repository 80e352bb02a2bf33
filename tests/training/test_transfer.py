"""Transfer of trained variables: everything but the number of classes agrees."""

import jax
import numpy as np
import pytest
from networks import drawn_variables

from jaxcnn import InputError, layers, models
from jaxcnn.training import transfer_variables

SHAPE = (1, 28, 28, 1)
NORMED = models.LeNet(norm=layers.library_batch_norm)


def pair(ours, theirs, *, shape=SHAPE, their_shape=SHAPE):
    """Initial and trained variables of two networks."""
    return drawn_variables(ours, shape, seed=0), drawn_variables(theirs, their_shape, seed=1)


def test_all_variables_are_transferred_for_equal_classes():
    initial, trained = pair(NORMED, NORMED)
    variables, head = transfer_variables(initial, trained, num_classes=10)
    assert head == ()
    jax.tree.map(np.testing.assert_array_equal, variables, trained)


def test_the_head_is_new_for_other_classes():
    initial, trained = pair(NORMED.clone(num_classes=3), NORMED)
    variables, head = transfer_variables(initial, trained, num_classes=3)
    assert head == ("dense3",)
    expected = {**trained["params"], "dense3": initial["params"]["dense3"]}
    jax.tree.map(np.testing.assert_array_equal, variables, {**trained, "params": expected})


def test_a_head_of_convolutions_is_new_as_a_whole():
    initial, trained = pair(models.NiN(num_classes=3), models.NiN(), shape=(1, 67, 67, 1), their_shape=(1, 67, 67, 1))
    variables, head = transfer_variables(initial, trained, num_classes=3)
    assert head == ("block4/conv1", "block4/conv2", "block4/conv3")
    jax.tree.map(np.testing.assert_array_equal, variables["params"]["block4"], initial["params"]["block4"])
    jax.tree.map(np.testing.assert_array_equal, variables["params"]["block3"], trained["params"]["block3"])


def test_other_layers_may_have_as_many_outputs_as_classes():
    initial, trained = pair(models.LeNet(num_classes=84), models.LeNet(num_classes=7))
    assert transfer_variables(initial, trained, num_classes=84)[1] == ("dense3",)


def test_types_are_those_of_the_network():
    initial, trained = pair(models.LeNet(), models.LeNet())
    variables, _ = transfer_variables(initial, jax.tree.map(np.float64, trained), num_classes=10)
    assert jax.tree.map(lambda leaf: leaf.dtype, variables["params"]) == jax.tree.map(
        lambda leaf: leaf.dtype, initial["params"]
    )


def test_variables_without_batch_norm_may_lack_statistics():
    initial, trained = pair(models.LeNet(), models.LeNet())
    variables, _ = transfer_variables(initial, {"params": trained["params"]}, num_classes=10)
    assert variables["batch_stats"] == {}


@pytest.mark.parametrize(
    ("ours", "theirs", "shape", "message"),
    [
        (NORMED, models.LeNet(), SHAPE, "norm1/bias is missing: give weights of the same network"),
        (models.LeNet(), NORMED, SHAPE, "norm1/bias is not in this network: give weights of the same network"),
        (models.LeNet(), models.LeNet(), (1, 28, 28, 3),
         r"conv1/kernel \(5, 5, 3, 6\) takes 3 channels, but the images have 1 channel: give"),
        (models.LeNet(), models.LeNet(), (1, 32, 32, 1),
         r"dense1/kernel \(400, 120\): expected \(256, 120\); give weights .* for the same image size"),
        (models.ResNet((1, 1)), models.ResNet((1,)), SHAPE, "stage2_block1/conv1/bias is missing"),
    ],
)  # fmt: skip
def test_other_differences_raise_and_name_the_first(ours, theirs, shape, message):
    with pytest.raises(InputError, match=message):
        transfer_variables(*pair(ours, theirs, their_shape=shape), num_classes=10)
