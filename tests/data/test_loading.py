from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxcnn import InputError
from jaxcnn.data import Dataset, StreamedDataset, load_dataset, load_fashion_mnist


def assert_equal(data, other):
    assert data.class_names == other.class_names
    for part in ("train", "test"):
        for found, expected in zip(data.split(part), other.split(part), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.fixture
def folder(tmp_path) -> Path:
    """Two classes of five images of 4 x 2 pixels."""
    for name in ("cat", "dog"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (4, 2), (number, 0, 0)).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"


@pytest.mark.parametrize("image_size", [None, 32])
def test_fashion_mnist_is_loaded_without_resizing(gzipped, monkeypatch, image_size):
    found = load_fashion_mnist(gzipped)
    assert_equal(load_dataset(gzipped, image_size=image_size), found)
    assert_equal(load_dataset(str(gzipped), image_size=image_size), found)
    monkeypatch.setenv("JAXCNN_DATA_DIR", str(gzipped))
    assert_equal(load_dataset(None, image_size=image_size), found)


def test_fashion_mnist_is_verified(raw):
    path = raw / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(InputError, match="SHA-256 differs"):
        load_dataset(raw)
    assert load_dataset(f"idx:{raw}").num_classes == 10


def test_a_folder_is_read(folder):
    assert load_dataset(f"folder:{folder}").image_shape == (2, 4, 3)
    assert load_dataset(f"folder:{folder}", image_size=2).image_shape == (2, 2, 3)
    assert load_dataset(Path(f"folder:{folder}")).class_names == ("cat", "dog")


def test_idx_files_are_read(gzipped):
    assert_equal(load_dataset(f"idx:{gzipped}"), load_fashion_mnist(gzipped))
    assert load_dataset(f"idx:{gzipped}", image_size=14).image_shape == (14, 14, 1)


@pytest.mark.filterwarnings("default")  # allows TFDS's own warnings
def test_a_tfds_directory_is_read(prepared):
    data = load_dataset(f"tfds:{prepared}/fashion_mnist", image_size=14, limit=100)
    assert (data.image_shape, len(data.train_images)) == ((14, 14, 1), 100)


def test_a_tilde_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load_dataset("folder:~/pictures").num_classes == 2
    with pytest.raises(InputError, match="begins with an unknown home directory"):
        load_dataset("folder:~nobody-of-this-name/pictures")


@pytest.mark.parametrize("variable", [None, "JAXCNN_DATA_DIR", "TFDS_DATA_DIR"])
def test_a_tilde_is_expanded_for_fashion_mnist(gzipped, monkeypatch, variable):
    monkeypatch.setenv("HOME", str(gzipped.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(gzipped.parent / "cache"))
    place = f"~/{gzipped.name}"
    if variable is not None:
        monkeypatch.setenv(variable, place)
    assert load_dataset(place if variable is None else None).num_classes == 10


def test_an_unknown_prefix_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(
        InputError, match=r"the prefix 'zip' is unknown: expected folder:DIR, idx:DIR, tfds:DIR or a directory"
    ):
        load_dataset(f"zip:{tmp_path}")
    with pytest.raises(InputError, match="'folder:' names no directory"):
        load_dataset("folder:")


def test_a_directory_name_may_contain_a_colon(gzipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine:fashion", "folder:", "idx"):
        gzipped.rename(name)
        gzipped = Path(name)
        assert load_dataset("./folder:" if name == "folder:" else name).num_classes == 10
    with pytest.raises(InputError, match=r"no:where cannot be read \(No such file or directory\)"):
        load_dataset(f"{tmp_path}/no:where")


@pytest.mark.parametrize("size", [0, -3, 5000])
def test_an_invalid_image_size_is_refused(folder, size):
    with pytest.raises(InputError, match=f"image size {size}: expected 1 to 4096 pixels"):
        load_dataset(f"folder:{folder}", image_size=size)


@pytest.mark.parametrize("limit", [0, -1])
def test_an_invalid_limit_is_refused(folder, limit):
    with pytest.raises(InputError, match=f"limit {limit}: expected 1 or more"):
        load_dataset(f"folder:{folder}", limit=limit)


@pytest.mark.filterwarnings("default")  # allows TFDS's own warnings
@pytest.mark.parametrize("prefix", ["", "idx:", "folder:", "tfds:"])
def test_every_kind_of_data_can_be_streamed(gzipped, folder, prepared, prefix):
    path = {"folder:": folder, "tfds:": prepared / "fashion_mnist"}.get(prefix, gzipped)
    for max_bytes, kind in ((10**9, Dataset), (None, Dataset), (0, StreamedDataset)):
        data = load_dataset(f"{prefix}{path}", max_bytes=max_bytes, limit=2)
        assert isinstance(data, kind)
        assert [len(data.train), len(data.test)] == [2, 2]


def test_fashion_mnist_that_is_found_can_be_streamed(gzipped, monkeypatch):
    monkeypatch.setenv("JAXCNN_DATA_DIR", str(gzipped))
    assert isinstance(load_dataset(None, max_bytes=0), StreamedDataset)
