"""The versions of the software that decides the results of a run."""

import platform
from importlib import metadata

_RECORDED = ("jaxcnn", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def software_versions() -> dict[str, str]:
    """The versions of Python and of the packages, by name."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _RECORDED}
