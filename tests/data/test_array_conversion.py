import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcnn import InputError
from jaxcnn.data import Dataset

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5, 1)
LABELS = np.array([0, 1, 1], np.uint8)


def from_arrays(images=IMAGES, labels=LABELS, class_names=None):
    """The same arrays for training and for testing."""
    return Dataset.from_arrays(images, labels, images, labels, class_names)


@given(
    images=hnp.arrays(
        np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.sampled_from([1, 3, 4]))
    ),
    dtype=st.sampled_from([np.float32, np.float64, np.float16]),
)
def test_floats_from_uint8_convert_back_exactly(images, dtype):
    dataset = from_arrays((images / 255).astype(dtype), np.zeros(len(images), int))
    np.testing.assert_array_equal(dataset.train_images, images)
    np.testing.assert_array_equal(dataset.test_images, images)


def test_floats_are_rounded_to_the_nearest_integer():
    images = np.array([0, 0.4, 0.6, 254.4, 254.6, 255]).reshape(1, 1, 6, 1) / 255
    assert from_arrays(images, [0]).train_images.ravel().tolist() == [0, 0, 1, 254, 255, 255]


def test_uint8_arrays_are_not_copied():
    dataset = from_arrays()
    assert dataset.train_images is IMAGES
    assert dataset.train_labels is LABELS


def test_images_without_channels_get_one():
    dataset = from_arrays(IMAGES[..., 0])
    assert dataset.image_shape == (4, 5, 1)
    np.testing.assert_array_equal(dataset.train_images, IMAGES)


def test_jax_arrays_and_lists_are_accepted():
    dataset = Dataset.from_arrays(jnp.zeros((2, 4, 4), jnp.bfloat16), [0, 1], [[[1.0] * 4] * 4], jnp.array([1]))
    assert (dataset.train_images.sum(), dataset.test_images.min()) == (0, 255)
    assert dataset.test_labels.tolist() == [1]


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint16, np.uint64])
def test_labels_of_any_integer_type_are_accepted(dtype):
    dataset = from_arrays(labels=LABELS.astype(dtype))
    assert (dataset.train_labels.dtype, dataset.train_labels.tolist()) == (np.uint8, [0, 1, 1])


def test_class_names_default_to_numbers_of_both_splits():
    assert Dataset.from_arrays(IMAGES, LABELS, IMAGES[:1], [2]).class_names == ("0", "1", "2")
    assert from_arrays(class_names=["shirt", "bag", "coat"]).class_names == ("shirt", "bag", "coat")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES.astype(np.float32), r"hold floats from 0 to 59: expected values in \[0, 1\].*astype\('uint8'\)"),
        (IMAGES / 255 - 0.5, r"hold floats from -0\.5 to .*: expected values in \[0, 1\], without normalization"),
        (np.full((3, 4, 5), np.nan), "hold floats from nan to nan"),
        (IMAGES.astype(np.int64), r"of type int64: expected uint8 or floats in \[0, 1\]"),
        (IMAGES.transpose(0, 3, 1, 2), r"of shape \(3, 1, 4, 5\): .*channels-first images with images\.transpose"),
        (np.zeros((3, 5, 5, 2), np.uint8), r"of shape \(3, 5, 5, 2\): expected .* with 1, 3 or 4 channels$"),
        (np.zeros((3, 20), np.uint8), r"of shape \(3, 20\): expected \(N, H, W\) or \(N, H, W, C\)"),
        (IMAGES[:2], r"train labels of shape \(3,\) for 2 images: expected one per image"),
        (IMAGES[:0], r"for 0 images"),
    ],
)
def test_invalid_images_are_named_with_the_remedy(images, message):
    with pytest.raises(InputError, match=message) as raised:
        from_arrays(images)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], r"train labels of shape \(2,\) for 3 images"),
        ([0, 1, 2], "train label 2 with 2 classes: expected labels from 0 to 1"),
        ([0, 1, -1], "train label -1: expected labels from 0 to 255"),
        ([0, 1, 256], "train label 256: expected labels from 0 to 255"),
        ([0.0, 1.0, 1.0], r"train labels of type float64 and shape \(3,\): expected integers"),
        (np.eye(3, dtype=int), r"of type int64 and shape \(3, 3\): .*labels\.argmax\(axis=-1\)"),
        (["bag", "shirt", "bag"], "train labels of type <U5"),
    ],
)
def test_invalid_labels_are_named_with_the_remedy(labels, message):
    with pytest.raises(InputError, match=message) as raised:
        from_arrays(labels=labels, class_names=("shirt", "bag"))
    assert "\n" not in str(raised.value)


def test_large_labels_without_class_names_are_refused():
    with pytest.raises(InputError, match="train label 1000000000: expected labels from 0 to 255"):
        from_arrays(labels=[0, 1, 10**9])


def test_empty_arrays_are_refused():
    with pytest.raises(InputError, match="no train images: expected at least one"):
        from_arrays(IMAGES[:0], LABELS[:0])
    with pytest.raises(InputError, match="no train images: expected at least one"):
        from_arrays(IMAGES[:0], [])
