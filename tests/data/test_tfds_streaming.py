import numpy as np
import pytest
from tfds_colors import EXAMPLES, RED, prepare

from jaxcnn import InputError
from jaxcnn.data import Dataset, StreamedDataset
from jaxcnn.data.tfds_directories import load_tfds

pytestmark = pytest.mark.filterwarnings("default")  # allows TFDS's own warnings


def assert_streamed(streamed, resident):
    """Check that shuffled batches of a streamed data set equal the resident arrays."""
    assert isinstance(streamed, StreamedDataset)
    assert (streamed.image_shape, streamed.class_names) == (resident.image_shape, resident.class_names)
    for part in ("train", "test"):
        images, labels = resident.split(part)
        order = np.random.default_rng(0).permutation(len(labels))
        indices = np.array_split(order, min(3, len(order)))
        for chosen, (found, found_labels) in zip(indices, getattr(streamed, part).batches(indices), strict=True):
            np.testing.assert_array_equal(found, images[chosen])
            np.testing.assert_array_equal(found_labels, labels[chosen])


@pytest.mark.parametrize("image_size", [None, 4])
def test_streamed_examples_equal_resident_ones(prepared, colors, image_size):
    for path in (prepared / "fashion_mnist", colors):
        assert_streamed(load_tfds(path, image_size, max_bytes=0, limit=150), load_tfds(path, image_size, limit=150))


def test_images_larger_than_max_bytes_are_streamed(colors):
    nbytes = 5 * 6 * 6 * 3
    assert isinstance(load_tfds(colors, max_bytes=nbytes), Dataset)
    assert isinstance(load_tfds(colors, max_bytes=nbytes - 1), StreamedDataset)
    assert isinstance(load_tfds(colors, 4, max_bytes=nbytes - 1), Dataset)


def test_tfrecords_are_streamed_from_memory(colors, as_tfrecord):
    as_tfrecord(colors)
    assert_streamed(load_tfds(colors, max_bytes=0), load_tfds(colors))


def test_limit_applies_before_max_bytes(colors):
    assert isinstance(load_tfds(colors, max_bytes=2 * 6 * 6 * 3, limit=1), Dataset)
    assert isinstance(load_tfds(colors, max_bytes=2 * 6 * 6 * 3 - 1, limit=1), StreamedDataset)
    whole = load_tfds(colors).limit(2)
    for max_bytes in (None, 0):
        limited = load_tfds(colors, max_bytes=max_bytes, limit=2)
        assert [len(limited.train), len(limited.test)] == [2, 2]
        ((images, labels),) = limited.train.batches([np.arange(2)])
        np.testing.assert_array_equal(images, whole.train_images)
        np.testing.assert_array_equal(labels, whole.train_labels)


def stream_all(version, image_size=None):
    train = load_tfds(version, image_size, max_bytes=0).train
    return list(train.batches([np.arange(len(train))]))


def test_errors_in_streamed_examples_are_found_when_read(tmp_path):
    version = prepare(tmp_path / "sizes", {"train": [*EXAMPLES, (RED[:4], "red")], "test": EXAMPLES})
    with pytest.raises(
        InputError,
        match=r"the first image has 6 x 6 pixels and .*\(train, example \d\) has 6 x 4: expected images of one size",
    ):
        stream_all(version)
    assert stream_all(version, 4)[0][0].shape == (4, 4, 4, 3)
    version = prepare(tmp_path / "labels", {"train": [*EXAMPLES, (RED, -1)], "test": EXAMPLES})
    with pytest.raises(InputError, match=r"\(train, example \d\) has the label -1"):
        stream_all(version, 4)


def test_records_damaged_during_streaming_are_refused(colors):
    data = load_tfds(colors, 4, max_bytes=0)
    (file,) = colors.glob("*train*array_record*")
    file.write_bytes(bytes(file.stat().st_size))
    with pytest.raises(
        InputError, match=r"1\.0\.0 cannot be read as images with labels prepared by TFDS .*prepare it again"
    ):
        list(data.train.batches([np.arange(3)]))
