"""Loading Fashion-MNIST from the first place that has it."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.fashion_mnist import cache, fetching, tfds_format
from jaxcnn.data.fashion_mnist.directories import NotFoundError, read_directory, read_idx_files
from jaxcnn.data.fashion_mnist.spec import FASHION_MNIST_CLASSES, Arrays
from jaxcnn.errors import InputError
from jaxcnn.files import expand_path, home_directory

_LOGGER = logging.getLogger(__name__)


def load_fashion_mnist(source: str | os.PathLike[str] | None = None) -> Dataset:
    """Load Fashion-MNIST: 60,000 training and 10,000 test images of 28x28 gray pixels in ten classes.

    `source` or, if that is None, the directory $JAXCNN_DATA_DIR is the only place tried. If neither is given, these
    places are tried in order:

    1. jaxcnn's own cache
    2. a directory prepared by TFDS, at $TFDS_DATA_DIR or TFDS's default
    3. the directory of Debian's package dataset-fashion-mnist
    4. the network: TFDS's download, then Debian's package

    Every byte is verified, and the arrays are the same from each place. The log names the place that was used.

    Args:
        source: a directory with the four IDX files, gzipped or not, or prepared by TFDS; None searches.

    Returns:
        Images, (N, 28, 28, 1), uint8, and labels, (N,), uint8.

    Raises:
        InputError: if the given place, or every place, fails. The message gives the reasons and the remedies.

    References:
        Xiao, Rasul and Vollgraf, Fashion-MNIST, 2017, arXiv:1708.07747.
    """
    arrays = _load_arrays(source)
    return Dataset(
        arrays["train_images"][..., None],
        arrays["train_labels"],
        arrays["test_images"][..., None],
        arrays["test_labels"],
        FASHION_MNIST_CLASSES,
    )


def prepare_tfds(to: str | os.PathLike[str], source: str | os.PathLike[str] | None = None) -> Path:
    """Write Fashion-MNIST as a TFDS directory that `tfds.data_source('fashion_mnist', data_dir=to)` reads.

    TensorFlow is not needed. The directory appears only when it is complete.

    Args:
        to: the `data_dir` of TFDS; fashion_mnist/3.0.1 is created in it.
        source: where to read Fashion-MNIST, as in `load_fashion_mnist`.

    Returns:
        The directory of the version.

    Raises:
        InputError: if the directory already exists, `to` is not writable, or Fashion-MNIST cannot be loaded.
    """
    return tfds_format.prepare_tfds(to, lambda: _load_arrays(source))


def find_fashion_mnist() -> Path | None:
    """The directory on this machine that `load_fashion_mnist()` reads; None if it would fetch the data.

    Raises:
        InputError: if $JAXCNN_DATA_DIR is set and has no Fashion-MNIST.
    """
    if (directory := _given_directory()) is not None:
        read_directory(directory)
        return directory
    for find in _DIRECTORIES.values():
        try:
            read_directory(find())
        except (InputError, OSError):
            continue
        return find()
    return None


def _load_arrays(source: str | os.PathLike[str] | None) -> Arrays:
    directory = _given_directory() if source is None else expand_path(source)
    if directory is not None:
        return read_directory(directory)
    reasons = []
    for place, read in _places():
        try:
            return read()
        except (InputError, OSError) as error:  # OSError: no home, no temporary directory, a forbidden program
            reasons.append(f"{place}: {error}")
            if not isinstance(error, NotFoundError):
                _LOGGER.warning("Fashion-MNIST could not be read from %s: %s", place, error)
    raise InputError(
        f"Fashion-MNIST was not found. Tried {'; '.join(reasons)}. Do one of these: name a directory that has it "
        f"(--data DIR or $JAXCNN_DATA_DIR); install Debian's package {fetching.DEBIAN_PACKAGE}; connect to a network "
        "and try again"
    )


def _given_directory() -> Path | None:
    """The directory $JAXCNN_DATA_DIR, if it is set."""
    directory = os.environ.get("JAXCNN_DATA_DIR")
    return expand_path(directory) if directory else None


def _places() -> Iterator[tuple[str, Callable[[], Arrays]]]:
    """The name of each place and a function that reads it, in the order in which they are tried."""
    for place, find in _DIRECTORIES.items():
        yield place, lambda find=find: read_directory(find())
    for place, fetch in (
        ("TFDS's download", fetching.fetch_through_tfds),
        ("Debian's package", fetching.fetch_debian_package),
    ):
        yield place, partial(_fetch, place, fetch)


def _tfds_data_directory() -> Path:
    directory = os.environ.get("TFDS_DATA_DIR")
    return expand_path(directory) if directory else home_directory() / "tensorflow_datasets"


_DIRECTORIES: dict[str, Callable[[], Path]] = {
    "the cache": cache.fashion_mnist_cache,
    "TFDS's directory": _tfds_data_directory,
    "Debian's directory": lambda: fetching.DEBIAN_DIRECTORY,
}


def _fetch(place: str, fetch: Callable[[Path], Path]) -> Arrays:
    _LOGGER.info("fetching Fashion-MNIST, 30 MB: %s", place)
    with tempfile.TemporaryDirectory(prefix="jaxcnn-") as folder:
        arrays = read_idx_files(fetch(Path(folder)))
    cache.fill_cache(arrays)
    _LOGGER.info("Fashion-MNIST fetched: %s", place)
    return arrays
