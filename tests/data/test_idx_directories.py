import gzip
import string
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcnn import InputError
from jaxcnn.data import FASHION_MNIST_CLASSES, write_idx
from jaxcnn.data.idx_directories import KMNIST_CLASSES, load_idx

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


def write(directory, labels, images=None, split=None):
    """Four files, the same to train and to test."""
    labels = np.array(labels, np.uint8)
    images = np.resize(IMAGES, (len(labels), 4, 5)) if images is None else images
    directory.mkdir(exist_ok=True)
    for part, mnist_part in (("train", "train"), ("test", "t10k")):
        prefix = f"emnist-{split}-{part}" if split else mnist_part
        write_idx(directory / f"{prefix}-images-idx3-ubyte", images)
        write_idx(directory / f"{prefix}-labels-idx1-ubyte", labels)
    return directory


@given(images=hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3)), gzipped=st.booleans(), emnist=st.booleans())
def test_what_is_written_is_read_and_emnist_is_transposed(tmp_path_factory, images, gzipped, emnist):
    directory = write(
        tmp_path_factory.mktemp("idx"), np.arange(len(images)), images, split="digits" if emnist else None
    )
    if gzipped:
        for path in list(directory.iterdir()):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    data = load_idx(directory)
    for part in ("train", "test"):
        read, labels = data.split(part)
        np.testing.assert_array_equal(read[..., 0], images.transpose(0, 2, 1) if emnist else images)
        assert labels.tolist() == list(range(len(images)))


def test_classes_are_numbers_where_nothing_better_is_known(tmp_path):
    assert load_idx(write(tmp_path / "fashion-mnist", range(10))).class_names == tuple(string.digits)
    assert load_idx(write(tmp_path / "three", [0, 2])).class_names == ("0", "1", "2")


def test_kmnist_is_known_by_the_name_of_its_directory(tmp_path, monkeypatch):
    directory = write(tmp_path / "KMNIST-2018", range(10))
    assert load_idx(directory).class_names == KMNIST_CLASSES
    monkeypatch.chdir(directory)
    assert load_idx(Path()).class_names == KMNIST_CLASSES
    assert load_idx(write(tmp_path / "kmnist49", range(49))).num_classes == 49


def test_fashion_mnist_is_known_by_its_labels(raw, sample):
    data = load_idx(raw)
    assert data.class_names == FASHION_MNIST_CLASSES
    np.testing.assert_array_equal(data.train_images, sample.train_images)
    np.testing.assert_array_equal(data.test_labels, sample.test_labels)


@pytest.mark.parametrize(
    ("split", "count", "some"),
    [
        ("balanced", 47, {0: "0", 10: "A", 35: "Z", 36: "a", 37: "b", 38: "d", 43: "n", 46: "t"}),
        ("bymerge", 47, {9: "9", 46: "t"}),
        ("byclass", 62, {0: "0", 10: "A", 36: "a", 61: "z"}),
        ("digits", 10, {0: "0", 9: "9"}),
        ("mnist", 10, {0: "0", 9: "9"}),
    ],
)
def test_emnist_has_its_characters(tmp_path, split, count, some):
    data = load_idx(write(tmp_path / "emnist", [0, count - 1], split=split))
    assert data.num_classes == count
    assert {label: data.class_names[label] for label in some} == some


def test_emnists_letters_are_labelled_from_0(tmp_path):
    data = load_idx(write(tmp_path / "emnist", [1, 26, 2], split="letters"))
    assert data.train_labels.tolist() == data.test_labels.tolist() == [0, 25, 1]
    assert data.class_names == tuple(string.ascii_uppercase)


def test_a_mapping_beside_the_files_wins(tmp_path):
    write(tmp_path, [1, 3], split="letters")
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 97 65\n2 98 66\n3 99 67\n")
    data = load_idx(tmp_path)
    assert (data.class_names, data.train_labels.tolist()) == (("a", "b", "c"), [0, 2])


def test_a_split_that_is_not_known_has_numbers(tmp_path):
    assert load_idx(write(tmp_path, [0, 3], split="mine")).class_names == ("0", "1", "2", "3")


@pytest.mark.parametrize("text", ["", "0 a\n", "0\n", "0 48\n2 49\n", "2 48\n3 49\n", "0 99999999999\n", "\N{BULLET}"])
def test_a_mapping_that_is_none_is_said(tmp_path, text):
    write(tmp_path, [0, 1], split="digits")
    (tmp_path / "emnist-digits-mapping.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"digits-mapping\.txt cannot be read as a mapping.*remove it"):
        load_idx(tmp_path)


@pytest.mark.parametrize(
    ("split", "labels", "message"),
    [
        ("letters", [0, 26], "run from 0 to 26 where 1 to 26 are due"),
        ("digits", [0, 10], "run from 0 to 10 where 0 to 9"),
    ],
)
def test_labels_that_are_not_of_the_split_are_said(tmp_path, split, labels, message):
    with pytest.raises(InputError, match=message):
        load_idx(write(tmp_path, labels, split=split))


def test_one_of_several_splits_is_picked(tmp_path):
    write(tmp_path, [1, 2], split="letters")
    write(tmp_path, [0, 1, 2], split="digits")
    with pytest.raises(InputError, match=r"several splits of EMNIST \(digits, letters\).*idx:.*emnist-digits"):
        load_idx(tmp_path)
    assert load_idx(tmp_path / "emnist-letters").num_classes == 26
    assert load_idx(tmp_path / "emnist-digits").num_classes == 10
    with pytest.raises(InputError, match="lacks emnist-bymerge-train-images-idx3-ubyte"):
        load_idx(tmp_path / "emnist-bymerge")


def test_a_directory_may_be_called_like_a_split(tmp_path):
    assert load_idx(write(tmp_path / "emnist-digits", [0, 1], split="digits")).num_classes == 10


def test_images_are_resized_if_that_is_asked_for(tmp_path):
    assert load_idx(write(tmp_path, [0, 1]), 8).image_shape == (8, 8, 1)
    assert load_idx(tmp_path).image_shape == (4, 5, 1)
    np.testing.assert_array_equal(load_idx(tmp_path, 4).train_images[0, ..., 0], IMAGES[0, :, :4])


@pytest.mark.parametrize("split", [None, "digits"])
def test_a_missing_file_is_named(tmp_path, split):
    write(tmp_path, [0, 1], split=split)
    path = next(tmp_path.glob("*t*-labels*"))
    path.unlink()
    with pytest.raises(InputError, match=f"lacks {path.name}.*all four files"):
        load_idx(tmp_path)


def test_files_that_do_not_fit_together_are_named(tmp_path):
    write(tmp_path, [0, 1])
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.zeros(5, np.uint8))
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte holds 5 bytes where 2 are due"):
        load_idx(tmp_path)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.zeros(2, np.uint8))
    write_idx(tmp_path / "t10k-images-idx3-ubyte", np.zeros((2, 7, 7), np.uint8))
    with pytest.raises(InputError, match="same height, width and channels"):
        load_idx(tmp_path)


@pytest.mark.parametrize("shape", [(2, 20), (0, 4, 5), (2, 0, 5), (2, 4, 5, 3)])
def test_images_of_another_shape_are_refused(tmp_path, shape):
    write(tmp_path, [0, 1], np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte holds an array of shape .*\(N, H, W\), are needed"):
        load_idx(tmp_path)


def test_where_there_are_no_files_is_said(tmp_path):
    with pytest.raises(InputError, match="holds no IDX files"):
        load_idx(tmp_path)
    with pytest.raises(InputError, match=r"nowhere cannot be read \(No such file or directory\)"):
        load_idx(tmp_path / "nowhere")
