"""A directory that holds Fashion-MNIST, in any form, read and verified."""

import logging
from pathlib import Path

from jaxcnn.data.fashion_mnist import cache
from jaxcnn.data.fashion_mnist.spec import FILES, Arrays, verify
from jaxcnn.data.fashion_mnist.tfds_format import find_version_directory, read_tfds
from jaxcnn.data.idx import find_idx, read_idx
from jaxcnn.errors import InputError

_LOGGER = logging.getLogger(__name__)


class AbsentError(InputError):
    """There is nothing of Fashion-MNIST in a place, as against something that is wrong."""


def read_directory(directory: Path) -> Arrays:
    """The arrays in `directory`: four IDX files, gzipped or not, or a directory prepared by TFDS.

    What is slow to read is put into the cache, from which the same directory is read the next time.

    Raises:
        AbsentError: if there is neither in it.
        InputError: if a file is missing, damaged, or not Fashion-MNIST's.
    """
    try:
        present = {path.name for path in directory.iterdir()}
        version = find_version_directory(directory)
        # before it is read, so that a change in the meantime counts as one
        found = cache.fingerprint(version) if version else {}
    except OSError as error:
        kind = AbsentError if isinstance(error, FileNotFoundError) else InputError
        raise kind(
            f"{directory} cannot be read ({error.strerror}): a directory with Fashion-MNIST is needed"
        ) from error
    if any({file.name, f"{file.name}.gz"} & present for file in FILES.values()):
        arrays = read_idx_files(directory)
        form = "IDX files"
        if not all(file.name in present for file in FILES.values()):
            cache.fill_cache(arrays)
    elif version is not None:
        arrays = _read_version(version, found)
        form = "prepared by TFDS"
    else:
        raise AbsentError(
            f"{directory} holds no Fashion-MNIST: four IDX files, gzipped or not, or a TFDS directory are needed"
        )
    _LOGGER.info("Fashion-MNIST read from %s (%s)", directory, form)
    return arrays


def read_idx_files(directory: Path) -> Arrays:
    """The verified arrays of the four IDX files in `directory`.

    Raises:
        InputError: if one is missing, damaged, or not Fashion-MNIST's.
    """
    arrays = {}
    for name, file in FILES.items():
        path = find_idx(directory, file.name)
        arrays[name] = read_idx(path, shape=file.shape)
        verify(name, arrays[name], path)
    return arrays


def _read_version(version: Path, found: cache.Fingerprint) -> Arrays:
    if cache.was_verified(found):
        try:
            return read_idx_files(cache.cache_directory())
        except InputError as error:
            _LOGGER.warning("the cache is made anew: %s", error)
    arrays = read_tfds(version)
    for name, array in arrays.items():
        verify(name, array, version)
    cache.fill_cache(arrays)
    cache.remember_verified(found)
    return arrays
