"""What a run is made on: the device and the versions of the software."""

import platform
from importlib import metadata
from typing import TypeAlias

import jax

from jaxcnn.errors import InputError

Device: TypeAlias = jax.Device  # pyright: ignore[reportInvalidTypeForm] -- a class, which JAX's types call a variable

_RECORDED = ("jaxcnn", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def find_device(name: str | None) -> Device:
    """The first device of the platform `name` ('cpu', 'gpu', 'tpu'), or JAX's default for None.

    Raises:
        InputError: if this machine has none; it says which platforms there are.
    """
    if name is None:
        return jax.devices()[0]
    try:
        return jax.devices(name)[0]
    except RuntimeError as error:
        present = ", ".join(sorted({device.platform for device in jax.devices()} | {"cpu"}))
        raise InputError(
            f"no device {name!r} here: JAX finds {present}; choose one of these, or install its other platforms"
        ) from error


def describe_device(device: Device) -> str:
    """`device` in words, such as 'cpu, x86_64' or 'gpu, NVIDIA H100'."""
    kind = platform.machine() if device.platform == "cpu" else device.device_kind
    return f"{device.platform}, {kind}"


def software_versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide a run's figures."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _RECORDED}
