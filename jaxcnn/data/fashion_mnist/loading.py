"""Fashion-MNIST, from wherever it is nearest."""

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from jaxcnn.data.dataset import Dataset
from jaxcnn.data.fashion_mnist import cache, fetching, tfds_format
from jaxcnn.data.fashion_mnist.directories import AbsentError, read_directory, read_idx_files
from jaxcnn.data.fashion_mnist.spec import FASHION_MNIST_CLASSES, Arrays
from jaxcnn.errors import InputError

_LOGGER = logging.getLogger(__name__)


def load_fashion_mnist(source: str | os.PathLike[str] | None = None) -> Dataset:
    """Fashion-MNIST: 60,000 training and 10,000 test images of 28x28 gray pixels, in ten classes.

    Where it is looked for, in this order: `source`; $JAXCNN_DATA_DIR; jaxcnn's own cache; a directory prepared by
    TFDS, at $TFDS_DATA_DIR or TFDS's default; the directory of Debian's package dataset-fashion-mnist; the network,
    through TFDS's download, then as Debian's package. A place that was named is the only one tried. The log names the
    place. Every byte is verified whatever the place, and the arrays are the same from each.

    Args:
        source: a directory with the four IDX files, gzipped or not, or prepared by TFDS; None to look for it.

    Returns:
        Images as (N, 28, 28, 1), uint8, and labels.

    Raises:
        InputError: if the place that was named, or every place, fails; it says why and how to mend it.

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

    TensorFlow is not needed, and the directory appears when it is whole.

    Args:
        to: what other programs give TFDS as `data_dir`; fashion_mnist/3.0.1 is made in it.
        source: where to read Fashion-MNIST, as in `load_fashion_mnist`.

    Returns:
        The directory of the version.

    Raises:
        InputError: if there is one already, `to` cannot be written to, or Fashion-MNIST cannot be had.
    """
    return tfds_format.prepare_tfds(to, lambda: _load_arrays(source))


def _load_arrays(source: str | os.PathLike[str] | None) -> Arrays:
    named = (os.environ.get("JAXCNN_DATA_DIR") or None) if source is None else source
    if named is not None:
        return read_directory(Path(named))
    reasons = []
    for place, read in _places():
        try:
            return read()
        except (InputError, OSError) as error:  # OSError: no home, no temporary directory, a program that may not run
            reasons.append(f"{place}: {error}")
            if not isinstance(error, AbsentError):
                _LOGGER.warning("Fashion-MNIST not taken from %s: %s", place, error)
    raise InputError(
        f"no Fashion-MNIST anywhere. Tried: {'; '.join(reasons)}. To mend it: name a directory that has it (--data DIR "
        f"or $JAXCNN_DATA_DIR); or install Debian's package {fetching.DEBIAN_PACKAGE}; or connect to a network and try "
        "again"
    )


def _places() -> Iterator[tuple[str, Callable[[], Arrays]]]:
    """The places in their order: what to call each, and how to read it."""
    yield "the cache", lambda: read_directory(cache.cache_directory())
    yield "TFDS's directory", lambda: read_directory(_tfds_data_directory())
    yield "Debian's directory", lambda: read_directory(fetching.DEBIAN_DIRECTORY)
    for place, fetch in (
        ("TFDS's download", fetching.fetch_through_tfds),
        ("Debian's package", fetching.fetch_debian_package),
    ):
        yield place, partial(_fetch, place, fetch)


def _tfds_data_directory() -> Path:
    named = os.environ.get("TFDS_DATA_DIR")
    return Path(named) if named else cache.home_directory() / "tensorflow_datasets"


def _fetch(place: str, fetch: Callable[[Path], Path]) -> Arrays:
    _LOGGER.info("fetching Fashion-MNIST, 30 MB: %s", place)
    with tempfile.TemporaryDirectory(prefix="jaxcnn-") as folder:
        arrays = read_idx_files(fetch(Path(folder)))
    cache.fill_cache(arrays)
    _LOGGER.info("Fashion-MNIST fetched: %s", place)
    return arrays
