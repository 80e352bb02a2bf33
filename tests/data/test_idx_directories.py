import gzip
import logging
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
    """Write four files, with the same images and labels for training and testing."""
    labels = np.array(labels, np.uint8)
    images = np.resize(IMAGES, (len(labels), 4, 5)) if images is None else images
    directory.mkdir(exist_ok=True)
    for part, mnist_part in (("train", "train"), ("test", "t10k")):
        prefix = f"emnist-{split}-{part}" if split else mnist_part
        write_idx(directory / f"{prefix}-images-idx3-ubyte", images)
        write_idx(directory / f"{prefix}-labels-idx1-ubyte", labels)
    return directory


@given(images=hnp.arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3)), gzipped=st.booleans(), emnist=st.booleans())
def test_written_files_read_back_with_emnist_transposed(tmp_path_factory, images, gzipped, emnist):
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


def test_unknown_classes_are_numbers(tmp_path):
    assert load_idx(write(tmp_path / "fashion-mnist", range(10))).class_names == tuple(string.digits)
    assert load_idx(write(tmp_path / "three", [0, 2])).class_names == ("0", "1", "2")


def test_kmnist_is_recognized_by_its_directory(tmp_path, monkeypatch):
    directory = write(tmp_path / "KMNIST-2018", range(10))
    assert load_idx(directory).class_names == KMNIST_CLASSES
    monkeypatch.chdir(directory)
    assert load_idx(Path()).class_names == KMNIST_CLASSES
    assert load_idx(write(tmp_path / "kmnist49", range(49))).num_classes == 49


def test_fashion_mnist_is_recognized_by_its_labels(raw, sample):
    data = load_idx(raw)
    assert data.class_names == FASHION_MNIST_CLASSES
    np.testing.assert_array_equal(data.train_images, sample.train_images)
    np.testing.assert_array_equal(data.test_labels, sample.test_labels)


@pytest.mark.parametrize(
    ("split", "count", "names"),
    [
        ("balanced", 47, {0: "0", 10: "A", 35: "Z", 36: "a", 37: "b", 38: "d", 43: "n", 46: "t"}),
        ("bymerge", 47, {9: "9", 46: "t"}),
        ("byclass", 62, {0: "0", 10: "A", 36: "a", 61: "z"}),
        ("digits", 10, {0: "0", 9: "9"}),
        ("mnist", 10, {0: "0", 9: "9"}),
    ],
)
def test_emnist_classes_are_its_characters(tmp_path, split, count, names):
    data = load_idx(write(tmp_path / "emnist", [0, count - 1], split=split))
    assert data.num_classes == count
    assert {label: data.class_names[label] for label in names} == names


def test_emnist_letters_are_labelled_from_zero(tmp_path):
    data = load_idx(write(tmp_path / "emnist", [1, 26, 2], split="letters"))
    assert data.train_labels.tolist() == data.test_labels.tolist() == [0, 25, 1]
    assert data.class_names == tuple(string.ascii_uppercase)


def test_a_mapping_file_takes_precedence(tmp_path):
    write(tmp_path, [1, 3], split="letters")
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 97 65\n2 98 66\n3 99 67\n")
    data = load_idx(tmp_path)
    assert (data.class_names, data.train_labels.tolist()) == (("a", "b", "c"), [0, 2])


def test_an_unknown_emnist_split_has_numbered_classes(tmp_path):
    assert load_idx(write(tmp_path, [0, 3], split="mine")).class_names == ("0", "1", "2", "3")


@pytest.mark.parametrize("text", ["", "0 a\n", "0\n", "0 48\n2 49\n", "2 48\n3 49\n", "0 99999999999\n", "\N{BULLET}"])
def test_an_invalid_mapping_file_is_refused(tmp_path, text):
    write(tmp_path, [0, 1], split="digits")
    (tmp_path / "emnist-digits-mapping.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"digits-mapping\.txt cannot be read as a mapping.*remove it"):
        load_idx(tmp_path)


@pytest.mark.parametrize(
    ("split", "labels", "message"),
    [
        ("letters", [0, 26], "has labels from 0 to 26: expected 1 to 26 for EMNIST's letters"),
        ("digits", [0, 10], "has labels from 0 to 10: expected 0 to 9"),
    ],
)
def test_labels_outside_the_split_are_refused(tmp_path, split, labels, message):
    with pytest.raises(InputError, match=message):
        load_idx(write(tmp_path, labels, split=split))


def test_the_path_selects_one_of_several_splits(tmp_path):
    write(tmp_path, [1, 2], split="letters")
    write(tmp_path, [0, 1, 2], split="digits")
    with pytest.raises(InputError, match=r"several splits of EMNIST \(digits, letters\).*idx:.*emnist-digits"):
        load_idx(tmp_path)
    assert load_idx(tmp_path / "emnist-letters").num_classes == 26
    assert load_idx(tmp_path / "emnist-digits").num_classes == 10
    with pytest.raises(InputError, match="has no emnist-bymerge-train-images-idx3-ubyte"):
        load_idx(tmp_path / "emnist-bymerge")


def test_the_log_names_files_that_are_not_read(tmp_path, caplog):
    write(tmp_path, [0, 1])
    write(tmp_path, [0, 1], split="digits")
    (tmp_path / "train-labels-idx1-ubyte.gz").touch()
    with caplog.at_level(logging.INFO):
        assert load_idx(tmp_path).num_classes == 2
    assert caplog.messages == [
        f"{tmp_path}: left out 4 emnist-digits (EMNIST next to MNIST's files); "
        "1 train-labels-idx1-ubyte.gz (gzipped, next to the same file uncompressed)"
    ]
    caplog.clear()
    assert load_idx(tmp_path / "emnist-digits").num_classes == 10
    assert caplog.messages == []


def test_a_directory_may_have_the_name_of_a_split(tmp_path):
    assert load_idx(write(tmp_path / "emnist-digits", [0, 1], split="digits")).num_classes == 10


def test_images_are_resized_on_request(tmp_path):
    assert load_idx(write(tmp_path, [0, 1]), 8).image_shape == (8, 8, 1)
    assert load_idx(tmp_path).image_shape == (4, 5, 1)
    np.testing.assert_array_equal(load_idx(tmp_path, 4).train_images[0, ..., 0], IMAGES[0, :, :4])


@pytest.mark.parametrize("split", [None, "digits"])
def test_a_missing_file_is_named(tmp_path, split):
    write(tmp_path, [0, 1], split=split)
    path = next(tmp_path.glob("*t*-labels*"))
    path.unlink()
    with pytest.raises(InputError, match=f"has no {path.name}.*all four IDX files"):
        load_idx(tmp_path)


def test_files_that_do_not_match_are_named(tmp_path):
    write(tmp_path, [0, 1])
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.zeros(5, np.uint8))
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte has the shape 5: expected 2"):
        load_idx(tmp_path)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", np.zeros(2, np.uint8))
    write_idx(tmp_path / "t10k-images-idx3-ubyte", np.zeros((2, 7, 7), np.uint8))
    with pytest.raises(InputError, match="same height, width and channels"):
        load_idx(tmp_path)


@pytest.mark.parametrize("shape", [(2, 20), (0, 4, 5), (2, 0, 5), (2, 4, 5, 3)])
def test_invalid_image_shapes_are_refused(tmp_path, shape):
    write(tmp_path, [0, 1], np.zeros(shape, np.uint8))
    with pytest.raises(
        InputError, match=r"train-images-idx3-ubyte holds an array of shape .*expected images, \(N, H, W\)"
    ):
        load_idx(tmp_path)


def test_a_directory_without_files_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no IDX files"):
        load_idx(tmp_path)
    with pytest.raises(InputError, match=r"nowhere cannot be read \(No such file or directory\)"):
        load_idx(tmp_path / "nowhere")
