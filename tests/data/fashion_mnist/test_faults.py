"""Invalid directories of Fashion-MNIST, given on the command line."""

import gzip
import struct

import pytest

from jaxcnn.data.fashion_mnist.spec import FILES


def header(*sizes, kind=8):
    return struct.pack(f">4B{len(sizes)}I", 0, 0, kind, len(sizes), *sizes)


LABELS, IMAGES = FILES["train_labels"].name, FILES["train_images"].name

DAMAGED = {
    "that is truncated": header(512) + bytes(100),
    "that is empty": b"",
    "with another magic number": header(512, kind=13) + bytes(512),
    "with another number of labels": header(511) + bytes(511),
    "with a shape larger than the file": header(2**32 - 1, 2**32 - 1),
    "with an extra byte": header(512) + bytes(513),
    "with a label out of range": header(512) + bytes([10] * 512),
    "that is an HTML page": b"<!DOCTYPE html><title>404</title>",
}

DAMAGED_GZIP = {
    "that is truncated": gzip.compress(header(512) + bytes(512))[:-9],
    "that is not gzipped": header(512) + bytes(512),
    "that expands to 100 MB": gzip.compress(header(512) + bytes(100_000_000)),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_refused(raw, assert_refused, damage):
    (raw / LABELS).write_bytes(DAMAGED[damage])
    assert LABELS in assert_refused(["train", "lenet", "--data", str(raw)], f"a data file {damage}")


def test_images_of_another_size_are_refused(raw, assert_refused):
    (raw / IMAGES).write_bytes(header(512, 32, 32) + bytes(512 * 32 * 32))
    assert IMAGES in assert_refused(["train", "lenet", "--data", str(raw)], "a data file with images of another size")


@pytest.mark.parametrize("damage", DAMAGED_GZIP)
def test_a_damaged_gzip_file_is_refused(gzipped, assert_refused, damage):
    (gzipped / f"{LABELS}.gz").write_bytes(DAMAGED_GZIP[damage])
    assert LABELS in assert_refused(["train", "lenet", "--data", str(gzipped)], f"a gzip file {damage}")


def test_a_directory_without_a_file_is_refused(raw, assert_refused):
    (raw / LABELS).unlink()
    assert_refused(["train", "lenet", "--data", str(raw)], "a data directory without one of the files")


@pytest.mark.parametrize(
    ("what", "name"), [("does not exist", "nowhere"), ("is a file", "file"), ("is empty", "empty")]
)
def test_an_invalid_directory_is_refused(tmp_path, assert_refused, what, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    assert_refused(["train", "lenet", "--data", str(tmp_path / name)], f"a data directory that {what}")
