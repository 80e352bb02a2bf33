from dataclasses import replace

import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.data import ArrayExamples, Dataset, StoredExamples, StreamedDataset

IMAGES, LABELS = np.zeros((3, 4, 5, 1), np.uint8), np.array([0, 1, 1], np.uint8)


@pytest.fixture
def dataset() -> Dataset:
    return Dataset(IMAGES, LABELS, IMAGES[:2], LABELS[:2], ("shirt", "bag"))


def test_a_dataset_knows_its_shape_and_classes(dataset):
    assert dataset.image_shape == (4, 5, 1)
    assert dataset.num_classes == 2


def test_a_limit_is_of_each_split(dataset):
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
    ],
)
def test_a_dataset_that_breaks_a_rule_is_refused(dataset, change, message):
    with pytest.raises(InputError, match=message):
        replace(dataset, **change)


def test_a_streamed_dataset_is_the_same_task(dataset):
    streamed = dataset.streamed()
    assert (streamed.image_shape, streamed.class_names, streamed.num_classes) == ((4, 5, 1), ("shirt", "bag"), 2)
    assert [len(streamed.limit(count).train) for count in (1, 100)] == [1, 3]
    for split in ("train", "test"):
        images, labels = dataset.split(split)
        ((found, found_labels),) = getattr(streamed, split).batches([np.arange(len(labels))])
        np.testing.assert_array_equal(found, images)
        np.testing.assert_array_equal(found_labels, labels)


def test_what_takes_more_than_there_is_room_for_is_streamed(dataset):
    nbytes = 5 * 4 * 5
    assert dataset.within(None) is dataset
    assert dataset.within(nbytes) is dataset
    assert isinstance(dataset.within(nbytes - 1), StreamedDataset)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES / 255, LABELS, "train images of type float64"),
        (IMAGES, LABELS + np.uint8(1), "train label 2 with 2 classes"),
        (IMAGES, LABELS.astype(np.int64), "train labels of type int64"),
        (IMAGES[:2], LABELS[:2], r"shape \(2, 4, 5, 1\) where 3 of \(4, 5, 1\) were asked for"),
        (IMAGES[:, :3], LABELS, r"shape \(3, 3, 5, 1\) where 3 of \(4, 5, 1\) were asked for"),
    ],
)
def test_a_batch_that_breaks_a_rule_is_refused(dataset, images, labels, message):
    stored = replace(dataset.streamed(), train=StoredExamples(3, lambda _: (images, labels)))
    with pytest.raises(InputError, match=message):
        list(stored.batches("train", [np.arange(3)]))


def test_a_streamed_dataset_without_examples_is_refused():
    some = ArrayExamples(IMAGES, LABELS)
    with pytest.raises(InputError, match="no test images: at least one is needed"):
        StreamedDataset(some, some.limit(0), ("shirt", "bag"), (4, 5, 1))
