import errno
import logging
import shutil

import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.data import FASHION_MNIST_CLASSES, find_fashion_mnist, load_fashion_mnist
from jaxcnn.data.fashion_mnist import fetching
from jaxcnn.data.fashion_mnist.directories import read_directory
from jaxcnn.data.fashion_mnist.spec import FILES


def assert_is_the_sample(dataset, arrays):
    for name, array in arrays.items():
        np.testing.assert_array_equal(np.squeeze(getattr(dataset, name)), array)


def test_a_given_directory_is_read(gzipped, arrays):
    dataset = load_fashion_mnist(str(gzipped))
    assert dataset.image_shape == (28, 28, 1)
    assert dataset.class_names == FASHION_MNIST_CLASSES
    assert_is_the_sample(dataset, arrays)


def test_a_named_directory_is_the_only_place_tried(raw, gzipped, tmp_path, monkeypatch):
    read_directory(gzipped)  # fills the cache
    with pytest.raises(InputError, match="nowhere"):
        load_fashion_mnist(tmp_path / "nowhere")
    monkeypatch.setenv("JAXCNN_DATA_DIR", str(tmp_path / "elsewhere"))
    with pytest.raises(InputError, match="elsewhere"):
        load_fashion_mnist()
    assert load_fashion_mnist(raw)


def test_places_are_tried_in_order(raw, gzipped, cache_files, monkeypatch, caplog, arrays, tmp_path):
    def read_from():
        caplog.clear()
        with caplog.at_level(logging.INFO):
            assert_is_the_sample(load_fashion_mnist(), arrays)
        return caplog.messages[-1]

    shutil.copytree(raw, tmp_path / "home" / "tensorflow_datasets")
    assert str(tmp_path / "home" / "tensorflow_datasets") in read_from()
    shutil.copytree(raw, tmp_path / "elsewhere")
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "elsewhere"))
    assert str(tmp_path / "elsewhere") in read_from()
    shutil.copytree(raw, cache_files)
    assert str(cache_files) in read_from()
    monkeypatch.setenv("JAXCNN_DATA_DIR", str(gzipped))
    assert str(gzipped) in read_from()


def test_the_directory_is_found_without_the_network(raw, gzipped, tmp_path, monkeypatch):
    assert find_fashion_mnist() is None
    shutil.copytree(raw, tmp_path / "home" / "tensorflow_datasets")
    assert find_fashion_mnist() == tmp_path / "home" / "tensorflow_datasets"
    monkeypatch.setenv("JAXCNN_DATA_DIR", str(gzipped))
    assert find_fashion_mnist() == gzipped
    monkeypatch.setenv("JAXCNN_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere"):
        find_fashion_mnist()


def test_debians_directory_is_read_and_fills_the_cache(gzipped, cache_files, arrays):
    gzipped.rename(fetching.DEBIAN_DIRECTORY)
    assert_is_the_sample(load_fashion_mnist(), arrays)
    assert cache_files.is_dir()


def test_the_network_is_tried_last_and_fills_the_cache(gzipped, cache_files, monkeypatch, arrays, caplog):
    def fetch(folder):
        return shutil.copytree(gzipped, folder / "fetched")

    monkeypatch.setattr(fetching, "fetch_debian_package", fetch)
    with caplog.at_level(logging.INFO):
        assert_is_the_sample(load_fashion_mnist(), arrays)
    assert caplog.messages[-1] == "Fashion-MNIST fetched: Debian's package"
    assert len(list(cache_files.iterdir())) == 4


def test_a_damaged_cache_is_reported_and_rebuilt(gzipped, cache_files, arrays, caplog):
    read_directory(gzipped)
    damaged = cache_files / FILES["test_labels"].name
    damaged.write_bytes(damaged.read_bytes()[:-1])
    gzipped.rename(fetching.DEBIAN_DIRECTORY)
    assert_is_the_sample(load_fashion_mnist(), arrays)
    assert "could not be read from the cache" in caplog.text
    caplog.clear()
    assert_is_the_sample(load_fashion_mnist(), arrays)
    assert caplog.text == ""


def test_an_empty_source_does_not_start_a_search(gzipped, monkeypatch, tmp_path):
    read_directory(gzipped)  # fills the cache
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="holds no Fashion-MNIST"):
        load_fashion_mnist("")


def test_an_os_error_is_one_of_the_reasons(monkeypatch):
    def refused(folder):
        raise PermissionError(errno.EACCES, "Permission denied", "apt-get")

    monkeypatch.setattr(fetching, "fetch_debian_package", refused)
    with pytest.raises(InputError, match=r"Debian's package: .*Permission denied: 'apt-get'\. Do one of these"):
        load_fashion_mnist()


def test_if_every_place_fails_one_line_gives_all_reasons(tmp_path):
    with pytest.raises(InputError) as raised:
        load_fashion_mnist()
    message = str(raised.value)
    assert "\n" not in message
    for place in ("the cache:", "TFDS's directory:", "Debian's directory:", "TFDS's download:", "Debian's package:"):
        assert place in message
    for remedy in ("--data DIR", "$JAXCNN_DATA_DIR", "install Debian's package dataset-fashion-mnist", "network"):
        assert remedy in message
