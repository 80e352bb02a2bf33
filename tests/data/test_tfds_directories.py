import io
import logging
import shutil
import sys

import numpy as np
import pytest
from tfds_colors import BLUE, EXAMPLES, RED, png, prepare

from jaxcnn import InputError
from jaxcnn.data import FASHION_MNIST_CLASSES
from jaxcnn.data.fashion_mnist.tfds_format import _stored_order
from jaxcnn.data.tfds_directories import load_tfds

pytestmark = pytest.mark.filterwarnings("default")  # allows TFDS's own warnings


def assert_colors(data):
    assert data.class_names == ("red", "blue")
    for part, labels in (("train", [0, 0, 1]), ("test", [0, 1])):
        images, found = data.split(part)
        assert sorted(found.tolist()) == labels
        for image, label in zip(images, found, strict=True):
            np.testing.assert_array_equal(image, (RED, BLUE)[label])


def test_the_directory_is_that_of_the_version_or_its_parent(colors):
    assert_colors(load_tfds(colors))
    assert_colors(load_tfds(str(colors.parent)))


def test_examples_keep_the_stored_order(prepared, sample):
    data = load_tfds(prepared / "fashion_mnist")
    assert data.class_names == FASHION_MNIST_CLASSES
    for part in ("train", "test"):
        images, labels = sample.split(part)
        order = _stored_order(part, len(labels))
        np.testing.assert_array_equal(data.split(part)[0], images[order])
        np.testing.assert_array_equal(data.split(part)[1], labels[order])


def test_images_are_resized_on_request(colors):
    assert load_tfds(colors, 4).image_shape == (4, 4, 3)


def test_tfrecords_are_read_without_tensorflow(colors, as_tfrecord):
    as_tfrecord(colors)
    assert_colors(load_tfds(colors))
    assert "tensorflow" not in sys.modules


def test_validation_replaces_a_missing_test_split(tmp_path):
    assert_colors(load_tfds(prepare(tmp_path, {"train": EXAMPLES, "validation": EXAMPLES[:2]})))


def test_validation_is_read_and_the_log_names_other_splits(tmp_path, caplog):
    version = prepare(
        tmp_path, {"train": EXAMPLES, "test": EXAMPLES[:2], "validation": EXAMPLES, "extra": EXAMPLES[:1]}
    )
    for max_bytes in (None, 0):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="jaxcnn"):
            data = load_tfds(version, max_bytes=max_bytes)
        assert caplog.messages == [f"{version}: left out 1 extra (split beside train and test)"]
        assert [len(data.train), len(data.val), len(data.test)] == [3, 3, 2]
        assert sorted(data.val.read_labels().tolist()) == [0, 0, 1]


def test_missing_splits_are_refused(tmp_path):
    version = prepare(tmp_path, {"train": EXAMPLES, "extra": EXAMPLES})
    with pytest.raises(
        InputError, match="has the splits extra, train: expected train and test, or train and validation"
    ):
        load_tfds(version)


def test_different_sizes_need_an_image_size(tmp_path):
    version = prepare(tmp_path, {"train": [*EXAMPLES, (RED[:4], "red")], "test": EXAMPLES})
    with pytest.raises(InputError, match=r"\(train, example \d\) has .*give an image size"):
        load_tfds(version)
    assert load_tfds(version, 4).image_shape == (4, 4, 3)


def test_supervised_keys_choose_among_several_features(tmp_path):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Image(shape=(6, 6, 3)),
        "mask": tfds.features.Image(shape=(6, 6, 1)),
        "label": tfds.features.ClassLabel(names=["red", "blue"]),
        "other": tfds.features.ClassLabel(num_classes=300),
    }

    def example(pixels, label):
        return {"image": png(pixels), "mask": png(pixels[..., 0]), "label": label, "other": 299}

    splits = {"train": EXAMPLES, "test": EXAMPLES[:2]}
    assert_colors(load_tfds(prepare(tmp_path / "clear", splits, features, example)))
    masks = load_tfds(prepare(tmp_path / "masks", splits, features, example, supervised=("mask", "label")))
    assert masks.image_shape == (6, 6, 1)
    with pytest.raises(InputError, match=r"has the features image, label, mask, other, 2 of them Image: expected one"):
        load_tfds(prepare(tmp_path / "unclear", splits, features, example, supervised=None))
    with pytest.raises(InputError, match="has 300 classes: expected at most 256"):
        load_tfds(prepare(tmp_path / "many", splits, features, example, supervised=("image", "other")))


def test_examples_without_images_are_refused(tmp_path):
    import tensorflow_datasets as tfds

    features = {"text": tfds.features.Text()}
    splits = {"train": EXAMPLES, "test": EXAMPLES}
    version = prepare(tmp_path, splits, features, lambda _, label: {"text": label}, supervised=None)
    with pytest.raises(InputError, match="has the features text, 0 of them Image"):
        load_tfds(version)


def test_16_bit_images_are_refused(tmp_path):
    import tensorflow_datasets as tfds

    features = {
        "image": tfds.features.Image(shape=(6, 6, 1), dtype=np.uint16),
        "label": tfds.features.ClassLabel(names=["red", "blue"]),
    }

    def example(pixels, label):
        return {"image": png(pixels[..., 0].astype(np.uint16)), "label": label}

    version = prepare(tmp_path, {"train": EXAMPLES, "test": EXAMPLES}, features, example)
    with pytest.raises(InputError, match="has images of type uint16: expected uint8"):
        load_tfds(version)


def test_examples_without_labels_are_refused(tmp_path):
    version = prepare(tmp_path, {"train": EXAMPLES, "test": [(RED, -1)]})
    with pytest.raises(InputError, match=r"\(test, example 0\) has the label -1: expected 0 to 1"):
        load_tfds(version)


def test_a_damaged_image_is_named(tmp_path):
    def example(pixels, label):
        return {"image": io.BytesIO(b"GIF89a"), "label": label, "note": ""}

    version = prepare(tmp_path, {"train": EXAMPLES, "test": EXAMPLES}, example=example)
    with pytest.raises(
        InputError, match=r"1\.0\.0 \(train, example 0\), .*\(test, example 2\) cannot be read as an image"
    ):
        load_tfds(version)


def test_missing_records_are_detected(colors, as_tfrecord):
    as_tfrecord(colors)
    next(colors.glob("*train*")).write_bytes(b"")
    with pytest.raises(InputError, match="has 0 examples in train: expected 3; prepare it again"):
        load_tfds(colors)


def test_damaged_metadata_is_refused(colors):
    (colors / "features.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as images with labels prepared by TFDS") as raised:
        load_tfds(colors)
    assert "\n" not in str(raised.value)


def test_other_than_one_version_is_refused(colors, tmp_path):
    shutil.copytree(colors, colors.with_name("2.0.0"))
    with pytest.raises(InputError, match=r"holds several versions \(1\.0\.0, 2\.0\.0\)"):
        load_tfds(colors.parent)
    with pytest.raises(InputError, match=r"holds no version of a data set prepared by TFDS: name the directory"):
        load_tfds(tmp_path)
    with pytest.raises(InputError, match=r"nowhere cannot be read \(No such file or directory\)"):
        load_tfds(tmp_path / "nowhere")
