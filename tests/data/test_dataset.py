from dataclasses import replace

import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.data import ArraySource, Dataset, StoredSource, StreamedDataset

IMAGES, LABELS = np.zeros((3, 4, 5, 1), np.uint8), np.array([0, 1, 1], np.uint8)


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(IMAGES, LABELS, IMAGES[:2], LABELS[:2], ("shirt", "bag"))


def test_image_shape_and_num_classes(dataset):
    assert dataset.image_shape == (4, 5, 1)
    assert dataset.num_classes == 2


def test_limit_applies_to_each_split(dataset):
    assert [len(dataset.limit(1).split(name)[0]) for name in ("train", "test")] == [1, 1]
    assert len(dataset.limit(100).train_images) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": IMAGES.astype(np.float32)}, "train images of type float32"),
        ({"train_images": IMAGES[..., 0]}, r"shape \(3, 4, 5\)"),
        ({"train_labels": LABELS[:2]}, "for 3 images"),
        ({"test_labels": LABELS[:2].astype(np.int64)}, "test labels of type int64"),
        ({"test_images": IMAGES[:0], "test_labels": LABELS[:0]}, "no test images"),
        ({"test_labels": np.array([0, 2], np.uint8)}, "test label 2 with 2 classes"),
        ({"test_images": np.zeros((2, 4, 4, 1), np.uint8)}, "same height, width and channels"),
        ({"val_images": IMAGES}, "val_images or val_labels alone"),
        ({"val_images": IMAGES[:0], "val_labels": LABELS[:0]}, "no val images"),
        ({"val_images": IMAGES, "val_labels": LABELS[:2]}, "for 3 images"),
        ({"val_images": np.zeros((3, 4, 4, 1), np.uint8), "val_labels": LABELS}, "val images of shape"),
    ],
)
def test_an_invalid_dataset_is_refused(dataset, change, message):
    with pytest.raises(InputError, match=message):
        replace(dataset, **change)


def test_streamed_keeps_the_examples_and_the_classes(dataset):
    streamed = dataset.streamed()
    assert (streamed.image_shape, streamed.class_names, streamed.num_classes) == ((4, 5, 1), ("shirt", "bag"), 2)
    assert [len(streamed.limit(count).train) for count in (1, 100)] == [1, 3]
    for split in ("train", "test"):
        images, labels = dataset.split(split)
        ((found, found_labels),) = getattr(streamed, split).batches([np.arange(len(labels))])
        np.testing.assert_array_equal(found, images)
        np.testing.assert_array_equal(found_labels, labels)


def test_images_larger_than_max_bytes_are_streamed(dataset):
    nbytes = 5 * 4 * 5
    assert dataset.streamed_above(None) is dataset
    assert dataset.streamed_above(nbytes) is dataset
    assert isinstance(dataset.streamed_above(nbytes - 1), StreamedDataset)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES / 255, LABELS, "train images of type float64"),
        (IMAGES, LABELS + np.uint8(1), "train label 2 with 2 classes"),
        (IMAGES, LABELS.astype(np.int64), "train labels of type int64"),
        (IMAGES[:2], LABELS[:2], r"shape \(2, 4, 5, 1\): expected 3 of \(4, 5, 1\)"),
        (IMAGES[:, :3], LABELS, r"shape \(3, 3, 5, 1\): expected 3 of \(4, 5, 1\)"),
    ],
)
def test_an_invalid_batch_is_refused(dataset, images, labels, message):
    stored = replace(dataset.streamed(), train=StoredSource(3, lambda _: (images, labels)))
    with pytest.raises(InputError, match=message):
        list(stored.batches("train", [np.arange(3)]))


def test_a_streamed_dataset_with_an_empty_split_is_refused():
    source = ArraySource(IMAGES, LABELS)
    with pytest.raises(InputError, match="no test images: expected at least one"):
        StreamedDataset(source, source.limit(0), ("shirt", "bag"), (4, 5, 1))


def test_reprs_are_short(dataset):
    images, labels = np.zeros((60_000, 1, 1, 1), np.uint8), np.zeros(60_000, np.uint8)
    large = Dataset(images, labels, images[:10_000], labels[:10_000], tuple("0123456789"))
    assert repr(large) == "Dataset(train 60,000 x 1x1x1, test 10,000, 10 classes)"
    assert repr(dataset) == "Dataset(train 3 x 4x5x1, test 2, 2 classes)"
    assert repr(dataset.streamed()) == "StreamedDataset(train 3 x 4x5x1, test 2, 2 classes)"


@pytest.fixture
def numbered() -> Dataset:
    """20 training images that alternate between two classes. Each has another shade."""
    images, labels = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1), np.arange(20, dtype=np.uint8) % 2
    return Dataset(images, labels, images[:2], labels[:2], ("shirt", "bag"))


def test_held_out_images_are_no_longer_trained_on(numbered):
    divided = numbered.hold_out(0.2)
    assert repr(divided) == "Dataset(train 16 x 1x1x1, val 4, test 2, 2 classes)"
    assert divided.splits == ("train", "val", "test")
    assert numbered.splits == ("train", "test")
    shades = np.concatenate([divided.train_images, divided.val_images])
    np.testing.assert_array_equal(np.sort(shades.ravel()), np.arange(20))
    for images, labels in map(divided.split, divided.splits):
        np.testing.assert_array_equal(images.ravel() % 2, labels)
    assert [len(divided.limit(3).split(name)[0]) for name in divided.splits] == [3, 3, 2]


def test_streamed_data_holds_out_the_same_images(numbered):
    divided = numbered.hold_out(0.2, seed=3)
    for streamed in (numbered.streamed().hold_out(0.2, seed=3), divided.streamed()):
        assert repr(streamed) == "StreamedDataset(train 16 x 1x1x1, val 4, test 2, 2 classes)"
        for name in divided.splits:
            images, labels = divided.split(name)
            ((found, found_labels),) = streamed.batches(name, [np.arange(len(labels))])
            np.testing.assert_array_equal(found, images)
            np.testing.assert_array_equal(found_labels, labels)


def test_a_second_validation_split_is_refused(numbered):
    for dataset in (numbered.hold_out(0.2), numbered.streamed().hold_out(0.2)):
        with pytest.raises(InputError, match=r"hold_out\(0\.1\): the data has a validation split"):
            dataset.hold_out(0.1)
