"""Reading and verifying a directory that holds Fashion-MNIST as IDX files or prepared by TFDS."""

import logging
from pathlib import Path

from jaxcnn.data.fashion_mnist import cache
from jaxcnn.data.fashion_mnist.spec import FILES, Arrays, verify
from jaxcnn.data.fashion_mnist.tfds_format import find_version_directory, read_tfds
from jaxcnn.data.idx import find_idx, read_idx
from jaxcnn.errors import InputError

_LOGGER = logging.getLogger(__name__)


class NotFoundError(InputError):
    """A directory is missing or holds no Fashion-MNIST. Damaged data raises a plain `InputError` instead."""


def read_directory(directory: Path) -> Arrays:
    """Read the arrays in `directory`: four IDX files, gzipped or not, or a directory prepared by TFDS.

    Formats that are slow to read are copied to the cache, which serves the next read of the same directory.

    Raises:
        NotFoundError: if the directory is missing or holds neither.
        InputError: if a file is missing, damaged, or differs from Fashion-MNIST's.
    """
    try:
        present = {path.name for path in directory.iterdir()}
        version = find_version_directory(directory)
        # before the files are read, so that a later change is noticed
        fingerprint = cache.fingerprint(version) if version else {}
    except OSError as error:
        kind = NotFoundError if isinstance(error, FileNotFoundError) else InputError
        raise kind(f"{directory} cannot be read ({error.strerror}): expected a directory with Fashion-MNIST") from error
    if any({file.name, f"{file.name}.gz"} & present for file in FILES.values()):
        arrays = read_idx_files(directory)
        format_name = "IDX files"
        if not all(file.name in present for file in FILES.values()):
            cache.fill_cache(arrays)
    elif version is not None:
        arrays = _read_version(version, fingerprint)
        format_name = "prepared by TFDS"
    else:
        raise NotFoundError(
            f"{directory} holds no Fashion-MNIST: expected four IDX files, gzipped or not, or a TFDS directory"
        )
    _LOGGER.info("Fashion-MNIST read from %s (%s)", directory, format_name)
    return arrays


def read_idx_files(directory: Path) -> Arrays:
    """Read and verify the four IDX files in `directory`.

    Raises:
        InputError: if one is missing, damaged, or differs from Fashion-MNIST's.
    """
    arrays = {}
    for name, file in FILES.items():
        path = find_idx(directory, file.name)
        arrays[name] = read_idx(path, shape=file.shape)
        verify(name, arrays[name], path)
    return arrays


def _read_version(version: Path, fingerprint: cache.Fingerprint) -> Arrays:
    if cache.was_verified(fingerprint):
        try:
            return read_idx_files(cache.fashion_mnist_cache())
        except InputError as error:
            _LOGGER.warning("rebuilding the cache: %s", error)
    arrays = read_tfds(version)
    for name, array in arrays.items():
        verify(name, array, version)
    cache.fill_cache(arrays)
    cache.remember_verified(fingerprint)
    return arrays
