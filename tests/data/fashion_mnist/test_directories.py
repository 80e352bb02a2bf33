import errno
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest

from jaxcnn import InputError
from jaxcnn.data.fashion_mnist.directories import NotFoundError, read_directory
from jaxcnn.data.fashion_mnist.spec import FILES

TRAIN, TEST = FILES["train_images"].name, FILES["test_images"].name


def assert_equal(found, arrays):
    assert found.keys() == arrays.keys()
    for name in arrays:
        np.testing.assert_array_equal(found[name], arrays[name])


def test_four_files_are_read_gzipped_or_not(gzipped, raw, arrays):
    assert_equal(read_directory(gzipped), arrays)
    assert_equal(read_directory(raw), arrays)


def test_gzipped_and_plain_files_may_be_mixed(gzipped, raw, arrays):
    (gzipped / f"{TRAIN}.gz").unlink()
    shutil.copy(raw / TRAIN, gzipped)
    assert_equal(read_directory(gzipped), arrays)


def test_the_log_names_the_directory(gzipped, caplog):
    with caplog.at_level(logging.INFO):
        read_directory(gzipped)
    assert f"Fashion-MNIST read from {gzipped} (IDX files)" in caplog.messages


def test_a_missing_file_is_named(gzipped):
    (gzipped / f"{TEST}.gz").unlink()
    with pytest.raises(InputError, match=f"has no {TEST}.*all four IDX files"):
        read_directory(gzipped)


@pytest.mark.parametrize("fixture", ["gzipped", "raw"])
def test_any_flipped_bit_is_detected(fixture, request):
    directory = request.getfixturevalue(fixture)
    path = next(directory.glob(f"{TRAIN}*"))
    rng = np.random.default_rng(0)
    content = path.read_bytes()
    for index in rng.integers(20, len(content), 20):  # after the gzip header, which does not affect the contents
        damaged = bytearray(content)
        damaged[index] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=TRAIN):
            read_directory(directory)


def test_swapped_files_are_detected(raw, monkeypatch, arrays):
    swapped = raw / FILES["train_labels"].name
    swapped.write_bytes((raw / FILES["test_labels"].name).read_bytes())
    with pytest.raises(InputError, match=r"train-labels.* has the shape 256: expected 512"):
        read_directory(raw)


def test_a_changed_label_is_detected(raw):
    path = raw / FILES["train_labels"].name
    content = bytearray(path.read_bytes())
    content[-1] = (content[-1] + 1) % 10
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"train-labels.* SHA-256 differs"):
        read_directory(raw)


def test_missing_data_raises_not_found_error(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="holds no Fashion-MNIST"):
        read_directory(tmp_path / "empty")
    with pytest.raises(NotFoundError, match="nowhere cannot be read"):
        read_directory(tmp_path / "nowhere")


def test_a_forbidden_directory_raises_plain_input_error(gzipped, monkeypatch):
    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(InputError, match=f"{gzipped} cannot be read \\(Permission denied\\)") as raised:
        read_directory(gzipped)
    assert not isinstance(raised.value, NotFoundError)


def test_a_file_instead_of_a_directory_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Not a directory"):
        read_directory(tmp_path / "file")
