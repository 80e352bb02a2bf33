"""Fixtures that isolate the search for Fashion-MNIST from this machine and the network; the sample replaces it."""

import gzip
import shutil
import struct
from pathlib import Path

import pytest
from tfds_colors import EXAMPLES, prepare

from jaxcnn.data import read_idx
from jaxcnn.data.fashion_mnist import fetching
from jaxcnn.data.fashion_mnist.spec import FILES, Arrays
from jaxcnn.errors import InputError

SAMPLE = Path(__file__).parent / "fashion_mnist_sample"


@pytest.fixture(scope="session")
def arrays() -> Arrays:
    """The arrays of the sample's IDX files."""
    return {name: read_idx(SAMPLE / f"{file.name}.gz") for name, file in FILES.items()}


@pytest.fixture(autouse=True)
def isolated(sample_as_fashion_mnist, monkeypatch, tmp_path):
    """No network, no data set on this machine, and the sample's checksums instead of Fashion-MNIST's."""

    def no_network(folder: Path) -> Path:
        raise InputError("no network in tests")

    for variable in ("JAXCNN_DATA_DIR", "TFDS_DATA_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(fetching, "DEBIAN_DIRECTORY", tmp_path / "debian")
    monkeypatch.setattr(fetching, "fetch_through_tfds", no_network)
    monkeypatch.setattr(fetching, "fetch_debian_package", no_network)


@pytest.fixture
def gzipped(arrays, tmp_path) -> Path:
    """A directory with the four gzipped files."""
    directory = tmp_path / "gzipped"
    directory.mkdir()
    for file in FILES.values():
        (directory / f"{file.name}.gz").write_bytes((SAMPLE / f"{file.name}.gz").read_bytes())
    return directory


@pytest.fixture
def raw(gzipped, tmp_path) -> Path:
    """A directory with the four uncompressed files."""
    directory = tmp_path / "raw"
    directory.mkdir()
    for path in gzipped.iterdir():
        (directory / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return directory


@pytest.fixture
def cache_files(tmp_path) -> Path:
    """The directory of the cache."""
    return tmp_path / "home" / "cache" / "jaxcnn" / "fashion-mnist"


@pytest.fixture
def prepared(prepared_once, tmp_path) -> Path:
    """The sample prepared by TFDS, in fashion_mnist/3.0.1."""
    return shutil.copytree(prepared_once, tmp_path / "prepared")


@pytest.fixture
def as_tfrecord():
    """A function that converts a prepared array_record to tfrecord, with checksums of zero."""
    from array_record.python.array_record_data_source import ArrayRecordDataSource

    def convert(version: Path) -> None:
        for path in version.glob("*.array_record-*"):
            with ArrayRecordDataSource(str(path)) as source:
                records = source.__getitems__(range(len(source)))
            framed = (struct.pack("<QI", len(record), 0) + record + bytes(4) for record in records)
            path.with_name(path.name.replace("array_record", "tfrecord")).write_bytes(b"".join(framed))
            path.unlink()
        info = version / "dataset_info.json"
        info.write_text(info.read_text().replace('"fileFormat": "array_record"', '"fileFormat": "tfrecord"'))

    return convert


@pytest.fixture(scope="session")
def colors_once(tmp_path_factory) -> Path:
    return prepare(tmp_path_factory.mktemp("colors"), {"train": EXAMPLES, "test": EXAMPLES[:2]})


@pytest.fixture
def colors(colors_once, tmp_path) -> Path:
    """A data set of two colors, copied so that a test may change it."""
    return shutil.copytree(colors_once, tmp_path / "colors" / "1.0.0")
