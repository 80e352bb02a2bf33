import numpy as np
import pytest

from jaxcnn.data import Dataset
from jaxcnn.runs.data_spec import data_sha256


def make_dataset(**changed):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (600, 4, 4, 1), np.uint8), np.arange(600, dtype=np.uint8) % 3
    arrays = {"train_images": images, "train_labels": labels, "test_images": images[:9], "test_labels": labels[:9]}
    return Dataset(**{**arrays, **changed}, class_names=("one", "two", "three"))


DATASET = make_dataset()


@pytest.mark.parametrize("name", ["train_images", "train_labels", "test_images", "test_labels"])
def test_one_changed_example_changes_the_sha256(name):
    array = getattr(DATASET, name).copy()
    array[1] = (array[1] + 1) % 3
    other = make_dataset(**{name: array})
    assert data_sha256(other)["all"] != data_sha256(DATASET)["all"]


def test_other_counts_and_another_order_change_both_parts():
    recorded = data_sha256(DATASET)
    turned = make_dataset(train_images=DATASET.train_images[::-1], train_labels=DATASET.train_labels[::-1])
    for other in (DATASET.limit(599), turned):
        assert all(data_sha256(other)[part] != recorded[part] for part in ("sample", "all"))


def test_streamed_data_have_the_sample_of_resident_data():
    streamed = data_sha256(DATASET.streamed())
    assert streamed == {"sample": data_sha256(DATASET)["sample"], "all": None}


def test_few_examples_of_streamed_data_are_read(monkeypatch):
    reads = []
    source = type(DATASET.train)
    batches = source.batches
    monkeypatch.setattr(source, "batches", lambda self, indices: reads.extend(indices) or batches(self, indices))
    data_sha256(DATASET.streamed())
    assert [len(indices) for indices in reads] == [256, 9]
