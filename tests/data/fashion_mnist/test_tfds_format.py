import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.data import load_fashion_mnist, prepare_tfds
from jaxcnn.data.fashion_mnist import cache, directories
from jaxcnn.data.fashion_mnist.tfds_format import read_tfds

pytestmark = pytest.mark.filterwarnings("default")  # allows TFDS's own warnings


def assert_equal(found, arrays):
    for name in arrays:
        np.testing.assert_array_equal(found[name], arrays[name])


def test_another_program_reads_the_prepared_directory(prepared, arrays):
    code = """
import sys
import tensorflow_datasets as tfds
source = tfds.data_source("fashion_mnist", data_dir=sys.argv[1])
assert "tensorflow" not in sys.modules
print(len(source["train"]), len(source["test"]), source["train"][0]["image"].shape)
print(sorted(example["label"] for example in source["test"]) == sorted(map(int, sys.argv[2])))
"""
    labels = "".join(map(str, arrays["test_labels"]))
    process = subprocess.run(
        [sys.executable, "-c", code, str(prepared), labels], capture_output=True, text=True, check=False
    )
    assert process.stdout == "512 256 (28, 28, 1)\nTrue\n", process.stderr


def test_any_name_of_a_directory_can_be_prepared(prepared, arrays, tmp_path):
    version = prepare_tfds(tmp_path / "a[1]\udcff", prepared)
    assert_equal(read_tfds(version.rename(tmp_path / "b[1]")), arrays)


@pytest.mark.parametrize("path", ["", "fashion_mnist", "fashion_mnist/3.0.1"])
def test_the_original_order_is_restored(prepared, arrays, path):
    assert_equal(directories.read_directory(prepared / path), arrays)


def test_an_unchanged_directory_is_read_from_the_cache(prepared, arrays, monkeypatch):
    directories.read_directory(prepared)
    monkeypatch.setattr(directories, "read_tfds", lambda _: pytest.fail("decoded again"))
    assert_equal(directories.read_directory(prepared), arrays)


def test_a_changed_directory_is_read_again(prepared):
    directories.read_directory(prepared)
    shard = next((prepared / "fashion_mnist" / "3.0.1").glob("*test*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match="prepare it again") as raised:
        directories.read_directory(prepared)
    assert "\n" not in str(raised.value)


def test_a_damaged_cache_does_not_replace_a_directory(prepared, arrays, cache_files):
    directories.read_directory(prepared)
    (cache_files / "train-labels-idx1-ubyte").write_bytes(b"")
    assert_equal(directories.read_directory(prepared), arrays)


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_damaged_metadata_is_refused(prepared, name):
    version = prepared / "fashion_mnist" / "3.0.1"
    (version / name).write_text("{")
    with pytest.raises(InputError, match="cannot be read as Fashion-MNIST prepared by TFDS"):
        read_tfds(version)


def test_another_data_set_is_refused(prepared):
    info = prepared / "fashion_mnist" / "3.0.1" / "dataset_info.json"
    info.write_text(info.read_text().replace('"fashion_mnist"', '"kmnist"'))
    with pytest.raises(InputError, match="kmnist"):
        directories.read_directory(prepared)


def test_tfrecords_are_read_without_tensorflow(prepared, arrays, as_tfrecord):
    as_tfrecord(prepared / "fashion_mnist" / "3.0.1")
    assert_equal(directories.read_directory(prepared), arrays)
    assert "tensorflow" not in sys.modules


def test_a_truncated_tfrecord_is_refused(prepared, as_tfrecord):
    version = prepared / "fashion_mnist" / "3.0.1"
    as_tfrecord(version)
    shard = version / "fashion_mnist-train.tfrecord-00000-of-00001"
    shard.write_bytes(shard.read_bytes()[:-7])
    with pytest.raises(InputError, match="ends within a record"):
        directories.read_directory(prepared)


def test_an_existing_directory_is_not_overwritten(prepared, gzipped):
    with pytest.raises(InputError, match="already exists"):
        prepare_tfds(prepared, gzipped)


def test_prepare_creates_a_complete_directory_or_nothing(gzipped, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no Fashion-MNIST"):
        prepare_tfds(tmp_path / "to", tmp_path / "empty")
    assert list((tmp_path / "to").iterdir()) == []
    assert prepare_tfds(str(tmp_path / "to"), str(gzipped)) == tmp_path / "to" / "fashion_mnist" / "3.0.1"
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["fashion_mnist"]


def test_an_unwritable_directory_is_refused(gzipped, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file cannot be written"):
        prepare_tfds(tmp_path / "file", gzipped)


def test_tfds_data_dir_is_searched(prepared, monkeypatch, caplog):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    assert load_fashion_mnist()
    assert cache.was_verified(cache.fingerprint(prepared / "fashion_mnist" / "3.0.1"))


def test_a_forbidden_directory_is_refused(prepared, monkeypatch):
    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(cache, "fingerprint", denied)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        directories.read_directory(prepared)


def test_an_unshuffled_directory_keeps_its_order(arrays, tmp_path):
    from jaxcnn.data.fashion_mnist import tfds_format

    permuted = {name: np.empty_like(array) for name, array in arrays.items()}
    for name, array in arrays.items():  # so that TFDS's shuffling restores the original order
        permuted[name][tfds_format._stored_order(name.split("_")[0], len(array))] = array
    tfds_format.prepare_tfds(tmp_path / "unshuffled", lambda: permuted)
    assert_equal(directories.read_directory(tmp_path / "unshuffled"), arrays)
