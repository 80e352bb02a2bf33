"""The API pages show signatures and values as the source has them."""

import pytest
import source_code

from jaxcnn import data, models, ops, recipes, runs, training


def test_types_are_those_of_the_source():
    arguments, result = source_code.signature_of(ops.max_pool2d)
    assert "window_shape: Window" in arguments
    assert result.startswith("Float[Array, 'n h_out w_out c']")


def test_compiled_functions_have_signatures():
    arguments, result = source_code.signature_of(training.train_step)
    assert arguments.startswith("(state: TrainState, images: Shaped[")
    assert result == "tuple[TrainState, Metrics]"


def test_methods_are_shown_without_self():
    assert source_code.signature_of(data.Dataset.limit) == ("(count: int | None)", "Dataset")


def test_quoted_types_are_shown_without_quotation_marks():
    arguments, _ = source_code.signature_of(runs.load_common_data)
    assert arguments == "(runs: Sequence[TrainedRun], source: str | None=None)"


def test_modules_are_shown_without_the_fields_of_flax():
    arguments, _ = source_code.signature_of(models.LeNet)
    assert arguments.startswith("(num_classes: int = 10, ")
    assert "parent" not in arguments
    assert "name" not in arguments


def test_defaults_of_fields_are_those_of_the_source():
    assert "placement: Placement = SINGLE" in source_code.signature_of(training.FitOptions)[0]
    assert "state: TrainState, epochs: list[EpochResult] = list()" in source_code.signature_of(runs.Run)[0]
    assert "reference: tuple[ReferenceEpoch, ...] = ()" in source_code.signature_of(recipes.Recipe)[0]


def test_named_tuples_have_signatures():
    assert source_code.signature_of(runs.ConfusedPair)[0] == "(true: int, predicted: int, num_images: int)"


def test_classes_without_a_constructor_have_none():
    assert source_code.signature_of(runs.Writer) == ("", "")
    assert source_code.signature_of(data.DataSource) == ("", "")


def test_variables_have_the_docstring_and_the_value_of_the_source():
    text, source = source_code.data_of("jaxcnn.ops.Window")
    assert text.startswith("A size or stride")
    assert source == "Window = SupportsIndex | tuple[SupportsIndex, SupportsIndex]"


def test_long_values_are_left_out():
    assert source_code.data_of("jaxcnn.data.FASHION_MNIST_CLASSES")[1] == ""


def test_partial_functions_are_variables():
    assert source_code.data_of("jaxcnn.layers.scratch_batch_norm")[1].endswith("partial(BatchNorm, initial_var=0.0)")


def test_variable_without_a_docstring_is_an_error():
    with pytest.raises(LookupError, match=r"jaxcnn\.layers\.linear\.Conv has no docstring"):
        source_code.data_of("jaxcnn.layers.Conv")
