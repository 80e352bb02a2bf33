import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcnn import InputError
from jaxcnn.data import ArrayExamples, StoredExamples, data_sources

COUNT = 7
IMAGES = np.arange(COUNT * 4, dtype=np.uint8).reshape(COUNT, 2, 2, 1)
LABELS = np.arange(COUNT, dtype=np.uint8)
IN_MEMORY = ArrayExamples(IMAGES, LABELS)
ON_DISK = StoredExamples(COUNT, lambda places: (IMAGES[places], LABELS[places]))


@pytest.mark.parametrize("source", [IN_MEMORY, ON_DISK], ids=["in memory", "on disk"])
@given(places=st.lists(st.lists(st.integers(0, COUNT - 1), min_size=1), max_size=5), ahead=st.integers(1, 9))
def test_batches_are_of_the_places_that_are_asked_for_in_their_order(source, places, ahead):
    chosen = [np.array(batch) for batch in places]
    found = list(source.batches(chosen, ahead=ahead))
    assert len(found) == len(chosen)
    for (images, labels), due in zip(found, chosen, strict=True):
        np.testing.assert_array_equal(images, IMAGES[due])
        np.testing.assert_array_equal(labels, LABELS[due])


@pytest.mark.parametrize("source", [IN_MEMORY, ON_DISK], ids=["in memory", "on disk"])
def test_a_limit_is_of_the_first(source):
    assert [len(source), len(source.limit(3)), len(source.limit(99)), len(source.limit(None))] == [
        COUNT,
        3,
        COUNT,
        COUNT,
    ]
    ((_, labels),) = source.limit(3).batches([np.arange(3)])
    assert labels.tolist() == [0, 1, 2]


def test_what_cannot_be_read_is_said_in_its_turn():
    def fetch(places):
        if 3 in places:
            raise InputError("example 3 is damaged")
        return IMAGES[places], LABELS[places]

    batches = StoredExamples(COUNT, fetch).batches([np.array([place]) for place in range(COUNT)], ahead=COUNT)
    assert [int(labels[0]) for _, labels in (next(batches), next(batches), next(batches))] == [0, 1, 2]
    with pytest.raises(InputError, match="example 3 is damaged"):
        next(batches)


def test_batches_are_read_ahead_no_further_than_told_and_no_more_when_none_is_wanted(monkeypatch):
    monkeypatch.setattr(data_sources, "_cores", lambda: 1)
    fetched, three_more = [], threading.Event()

    def fetch(places):
        fetched.append(int(places[0]))
        if len(fetched) == 4:
            three_more.set()
        return IMAGES[places], LABELS[places]

    batches = StoredExamples(1000, fetch).batches([np.array([place % COUNT]) for place in range(1000)], ahead=3)
    next(batches)
    assert three_more.wait(60)
    time.sleep(0.1)
    assert len(fetched) == 4
    batches.close()
    time.sleep(0.1)
    assert len(fetched) == 4


def test_large_batches_are_read_in_pieces_so_that_many_threads_hold_little(monkeypatch):
    monkeypatch.setattr(data_sources, "_cores", lambda: 64)
    fetched = []

    def fetch(places):
        fetched.append(len(places))
        time.sleep(0.001)
        return np.zeros((len(places), 1, 1, 1), np.uint8), np.uint8(places % 256)

    order = np.random.default_rng(0).permutation(10_000)
    batches = StoredExamples(10_000, fetch).batches(np.array_split(order, 5))
    images, labels = next(batches)
    assert images.shape == (2000, 1, 1, 1)
    np.testing.assert_array_equal(labels, order[:2000] % 256)
    time.sleep(0.2)
    batches.close()
    assert max(fetched) == data_sources._PIECE
    assert sum(fetched) <= 2000 + 2 * 16 * data_sources._PIECE + data_sources._PIECE
