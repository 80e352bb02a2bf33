"""Settings of JAX and XLA for compiled programs."""

import hashlib
import logging
import os
import platform
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax

from jaxcnn.errors import InputError
from jaxcnn.files import cache_directory
from jaxcnn.platform.devices import cpu_instructions

_LOGGER = logging.getLogger(__name__)
_CACHE_WARNING = re.compile(r"Error (reading|writing) persistent compilation cache entry for '([\w.-]+)'")


def enable_compilation_cache() -> None:
    """Let JAX keep compiled programs on disk, so that the next process starts at once.

    They are in jaxcnn's cache, in a directory for each kind of processor, because they contain its instructions. If
    the user has given JAX a directory, or has turned the cache off, this setting is kept. A damaged program is compiled
    and written again.
    """
    if getattr(warnings.showwarning, "func", None) is not _repair_or_show:
        warnings.showwarning = partial(_repair_or_show, warnings.showwarning)
    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    try:
        directory = cache_directory("compiled") / _processor()
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _LOGGER.warning("compiled programs are not cached in %s: %s", error.filename, error.strerror)
        return
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _repair_or_show(show: Callable[..., None], message: Warning | str, *where: Any) -> None:
    """Remove the file named in a warning of JAX's cache; `show` any other warning.

    JAX itself leaves a file that it cannot read, or could not write completely, in place.
    """
    found = _CACHE_WARNING.match(str(message))
    if found is None:
        show(message, *where)
        return
    directory = Path(str(jax.config.values["jax_compilation_cache_dir"]))
    for path in directory.glob(f"{found[2]}-*-cache"):
        with suppress(OSError):
            path.unlink()
    _log_once(found[1], directory)


@cache
def _log_once(doing: str, directory: Path) -> None:
    """Log an error of the cache, once in a process."""
    effect = "they are compiled again" if doing == "reading" else "the next process compiles them again"
    _LOGGER.warning("error %s compiled programs in %s: %s", doing, directory, effect)


def enable_deterministic_ops() -> None:
    """Let XLA use only operations with a fixed order of summation; call it before JAX computes anything."""
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()


def check_deterministic_ops(platform_name: str) -> None:
    """Check that XLA uses only operations with a fixed order of summation on a platform, such as 'cpu' or 'gpu'.

    Raises:
        InputError: if it may use others. A CPU always has a fixed order.
    """
    if platform_name != "cpu" and "--xla_gpu_deterministic_ops=true" not in os.environ.get("XLA_FLAGS", ""):
        raise InputError(
            "deterministic: call platform.enable_deterministic_ops() before JAX computes anything, or set "
            "XLA_FLAGS=--xla_gpu_deterministic_ops=true"
        )


def _processor() -> str:
    """A name for this kind of processor, from its instruction sets."""
    return f"{platform.machine()}-{hashlib.sha256(cpu_instructions().encode()).hexdigest()[:8]}"
