"""Settings of JAX and XLA for compiled programs."""

import hashlib
import logging
import os
import platform

import jax

from jaxcnn.data.fashion_mnist.cache import cache_directory
from jaxcnn.platform.devices import cpu_instructions

_LOGGER = logging.getLogger(__name__)


def enable_compilation_cache() -> None:
    """Let JAX keep compiled programs on disk, so that the next process starts at once.

    They are in jaxcnn's cache, in a directory for each kind of processor, because they contain its instructions. If
    the user has given JAX a directory, or has turned the cache off, nothing is changed.
    """
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    try:
        directory = cache_directory().with_name("compiled") / _processor()
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _LOGGER.warning("compiled programs are not cached in %s: %s", error.filename, error.strerror)
        return
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def enable_deterministic_ops() -> None:
    """Let XLA use only operations with a fixed order of summation; call it before JAX computes anything."""
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()


def _processor() -> str:
    """A name for this kind of processor, from its instruction sets."""
    return f"{platform.machine()}-{hashlib.sha256(cpu_instructions().encode()).hexdigest()[:8]}"
