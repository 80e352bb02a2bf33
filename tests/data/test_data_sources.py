import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcnn import InputError
from jaxcnn.data import ArraySource, StoredSource, data_sources
from jaxcnn.data.data_sources import SubsetSource

COUNT = 7
IMAGES = np.arange(COUNT * 4, dtype=np.uint8).reshape(COUNT, 2, 2, 1)
LABELS = np.arange(COUNT, dtype=np.uint8)
IN_MEMORY = ArraySource(IMAGES, LABELS)
ON_DISK = StoredSource(COUNT, lambda indices: (IMAGES[indices], LABELS[indices]))
WITH_LABELS = StoredSource(COUNT, lambda indices: (IMAGES[indices], LABELS[indices]), lambda: LABELS)
SUBSET = SubsetSource(ArraySource(np.repeat(IMAGES, 2, 0), np.repeat(LABELS, 2)), 2 * np.arange(COUNT))
every_source = pytest.mark.parametrize(
    "source", [IN_MEMORY, ON_DISK, WITH_LABELS, SUBSET], ids=["in memory", "on disk", "with labels", "subset"]
)


@every_source
@given(lists=st.lists(st.lists(st.integers(0, COUNT - 1), min_size=1), max_size=5), prefetch=st.integers(1, 9))
def test_batches_follow_the_indices(source, lists, prefetch):
    indices = [np.array(batch) for batch in lists]
    batches = list(source.batches(indices, prefetch=prefetch))
    assert len(batches) == len(indices)
    for (images, labels), expected in zip(batches, indices, strict=True):
        np.testing.assert_array_equal(images, IMAGES[expected])
        np.testing.assert_array_equal(labels, LABELS[expected])


@every_source
def test_limit_keeps_the_first_examples(source):
    assert [len(source), len(source.limit(3)), len(source.limit(99)), len(source.limit(None))] == [
        COUNT,
        3,
        COUNT,
        COUNT,
    ]
    ((_, labels),) = source.limit(3).batches([np.arange(3)])
    assert labels.tolist() == [0, 1, 2]


@every_source
def test_labels_are_read_up_to_the_limit(source):
    assert source.read_labels().tolist() == list(range(COUNT))
    assert source.limit(3).read_labels().tolist() == [0, 1, 2]


def test_an_error_is_raised_at_its_batch():
    def fetch(indices):
        if 3 in indices:
            raise InputError("example 3 is damaged")
        return IMAGES[indices], LABELS[indices]

    batches = StoredSource(COUNT, fetch).batches([np.array([index]) for index in range(COUNT)], prefetch=COUNT)
    assert [int(labels[0]) for _, labels in (next(batches), next(batches), next(batches))] == [0, 1, 2]
    with pytest.raises(InputError, match="example 3 is damaged"):
        next(batches)


def test_prefetch_limits_reading_and_close_ends_it(monkeypatch):
    monkeypatch.setattr(data_sources, "_num_cores", lambda: 1)
    fetched, three_prefetched = [], threading.Event()

    def fetch(indices):
        fetched.append(int(indices[0]))
        if len(fetched) == 4:
            three_prefetched.set()
        return IMAGES[indices], LABELS[indices]

    batches = StoredSource(1000, fetch).batches([np.array([index % COUNT]) for index in range(1000)], prefetch=3)
    next(batches)
    assert three_prefetched.wait(60)
    time.sleep(0.1)
    assert len(fetched) == 4
    batches.close()
    time.sleep(0.1)
    assert len(fetched) == 4


def test_large_batches_are_read_in_small_parts(monkeypatch):
    monkeypatch.setattr(data_sources, "_num_cores", lambda: 64)
    fetched = []

    def fetch(indices):
        fetched.append(len(indices))
        time.sleep(0.001)
        return np.zeros((len(indices), 1, 1, 1), np.uint8), np.uint8(indices % 256)

    order = np.random.default_rng(0).permutation(10_000)
    batches = StoredSource(10_000, fetch).batches(np.array_split(order, 5))
    images, labels = next(batches)
    assert images.shape == (2000, 1, 1, 1)
    np.testing.assert_array_equal(labels, order[:2000] % 256)
    time.sleep(0.2)
    batches.close()
    assert max(fetched) == data_sources._EXAMPLES_PER_READ
    assert sum(fetched) <= 2000 + 2 * 16 * data_sources._EXAMPLES_PER_READ + data_sources._EXAMPLES_PER_READ
