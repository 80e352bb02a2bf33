import gzip
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jaxcnn import InputError
from jaxcnn.data import read_idx, write_idx
from jaxcnn.data.idx import idx_sha256

BYTES = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))
WHOLE = struct.pack(">4BI", 0, 0, 8, 1, 3) + bytes([7, 8, 9])


def write(tmp_path_factory, content, name="file"):
    path = tmp_path_factory.mktemp("idx") / name
    path.write_bytes(content)
    return path


@given(array=BYTES)
def test_written_files_read_back(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("idx") / "file"
    write_idx(path, array)
    np.testing.assert_array_equal(read_idx(path), array)
    zipped = write(tmp_path_factory, gzip.compress(path.read_bytes()), "file.gz")
    np.testing.assert_array_equal(read_idx(zipped, shape=array.shape), array)


def test_paths_may_be_strings(tmp_path):
    write_idx(f"{tmp_path}/file", np.arange(3, dtype=np.uint8))
    assert read_idx(f"{tmp_path}/file").tolist() == [0, 1, 2]


def test_idx_sha256_is_the_checksum_of_the_file(tmp_path):
    import hashlib

    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    write_idx(tmp_path / "file", array)
    assert idx_sha256(array) == hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()


@settings(max_examples=300)
@given(content=st.binary(max_size=64), name=st.sampled_from(["file", "file.gz"]))
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path_factory, content, name):
    path = write(tmp_path_factory, content, name)
    valid = name == "file" and content[:4] == b"\0\0\x08\1" and content[4:8] == struct.pack(">I", len(content) - 8)
    if valid:
        assert read_idx(path).tobytes() == content[8:]
    else:
        with pytest.raises(InputError) as raised:
            read_idx(path)
        assert "\n" not in str(raised.value)


@settings(max_examples=300)
@given(index=st.integers(0, len(gzip.compress(WHOLE)) - 1), bit=st.integers(0, 7))
def test_a_flipped_gzip_bit_is_detected_or_harmless(tmp_path_factory, index, bit):
    content = bytearray(gzip.compress(WHOLE, mtime=0))
    content[index] ^= 1 << bit
    try:
        array = read_idx(write(tmp_path_factory, bytes(content), "file.gz"))
    except InputError:
        return
    assert array.tolist() == [7, 8, 9]  # a bit of the header that does not affect the contents


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: expected an IDX file"),
        (b"\0\0\x0d\1" + WHOLE[4:], "begins with 00 00 0d 01"),
        (WHOLE[:6], "ends within its header"),
        (WHOLE[:-1], "declares 3 bytes and holds only 2"),
        (WHOLE + b"\0", "declares 3 bytes and holds more"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "more than the file can hold"),
    ],
)
def test_a_damaged_file_is_named_with_the_reason(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        read_idx(tmp_path / "file")
    assert str(tmp_path / "file") in str(raised.value)


def test_a_file_that_is_not_gzip_is_refused(tmp_path):
    (tmp_path / "file.gz").write_bytes(WHOLE)
    with pytest.raises(InputError, match="not a complete gzip file"):
        read_idx(tmp_path / "file.gz")


def test_a_truncated_gzip_file_is_refused(tmp_path):
    (tmp_path / "file.gz").write_bytes(gzip.compress(WHOLE)[:-9])
    with pytest.raises(InputError, match="not a complete gzip file"):
        read_idx(tmp_path / "file.gz")


def test_a_gzip_bomb_is_not_decompressed(tmp_path):
    bomb = gzip.compress(WHOLE + bytes(50_000_000))
    (tmp_path / "file.gz").write_bytes(bomb)
    with pytest.raises(InputError, match="and holds more"):
        read_idx(tmp_path / "file.gz")


def test_an_impossible_size_allocates_no_memory(tmp_path):
    header = struct.pack(">4B2I", 0, 0, 8, 2, 2**31, 2**31)
    (tmp_path / "file.gz").write_bytes(gzip.compress(header))
    with pytest.raises(InputError, match="more than the file can hold"):
        read_idx(tmp_path / "file.gz")


def test_an_unexpected_shape_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(WHOLE)
    with pytest.raises(InputError, match="has the shape 3: expected 10000x28x28"):
        read_idx(tmp_path / "file", shape=(10_000, 28, 28))


@given(
    sizes=st.lists(st.sampled_from([0, 1, 2, 2**16, 2**32 - 1]), max_size=255),
    rest=st.binary(max_size=4),
    name=st.sampled_from(["file", "file.gz"]),
)
def test_any_header_is_read_or_refused_in_one_line(tmp_path_factory, sizes, rest, name):
    content = struct.pack(f">4B{len(sizes)}I", 0, 0, 8, len(sizes), *sizes) + rest
    path = write(tmp_path_factory, gzip.compress(content) if name == "file.gz" else content, name)
    message = ""
    try:
        assert read_idx(path).shape == tuple(sizes)
    except InputError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize("sizes", [[1] * 65, [0, *[2**32 - 1] * 3]], ids=["too many axes", "zero and huge axes"])
def test_a_shape_that_numpy_cannot_hold_is_refused(tmp_path, sizes):
    header = struct.pack(f">4B{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)
    (tmp_path / "file").write_bytes(header + bytes(math.prod(sizes)))
    with pytest.raises(InputError, match="a shape that NumPy cannot hold"):
        read_idx(tmp_path / "file")


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_path_that_is_not_a_file_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="cannot be read"):
        read_idx(tmp_path / name)
