"""JSON descriptions of the settings of a recipe, and their inverse."""

import dataclasses
import importlib
from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any

from flax import linen as nn

_OF_THE_RUN = ("parent", "name", "dtype")  # fields of a module that the run sets, not the recipe
# A config.json may come from an untrusted source, so here it can name parts of networks only. Its recipe in a file is
# executed, if the file has the recorded SHA-256: see `load_recipe`.
_MODULES = (
    "jaxcnn.models", "jaxcnn.layers", "jaxcnn.ops", "jaxcnn.data.augmentation", "jaxcnn.data.normalization",
    "flax.linen", "jax.nn", "jax.numpy", "jax._src.nn", "optax",
)  # fmt: skip
_PACKAGES = ("jaxcnn", "flax", "jax", "jaxlib", "optax")
_PUBLIC = (
    "jaxcnn.models", "jaxcnn.layers", "jaxcnn.data.augmentation", "flax.linen", "flax.linen.initializers", "jax.nn",
    "jax.numpy", "optax",
)  # fmt: skip


def describe(value: Any) -> Any:
    """Describe `value` as JSON. Functions and classes are named as module:name, with their arguments or fields.

    Args:
        value: None, a number, a string, a sequence, a mapping, a function, a class, a `functools.partial` with keyword
            arguments, a Linen module or another dataclass. All contained values must have these types too.

    Returns:
        A value that `json.dumps` accepts. Equal networks have equal descriptions, in every process.

    Raises:
        TypeError: if `value` has another type.

    Examples:
        >>> from jaxcnn.models import LeNet
        >>> describe(LeNet())
        {'class': 'jaxcnn.models:LeNet', 'num_classes': 10, 'norm': None}
        >>> describe(partial(LeNet, num_classes=26))
        {'partial': 'jaxcnn.models:LeNet', 'num_classes': 26}
        >>> describe(nn.sigmoid)
        {'function': 'flax.linen:sigmoid'}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [describe(entry) for entry in value]
    if isinstance(value, Mapping):
        return {str(name): describe(entry) for name, entry in value.items()}
    if isinstance(value, partial) and not value.args:
        return {"partial": _path(value.func)} | {name: describe(entry) for name, entry in value.keywords.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"class": _path(type(value))} | {name: describe(getattr(value, name)) for name in _fields(value)}
    if hasattr(value, "__qualname__"):
        return {"function": _path(value)}
    raise TypeError(
        f"{value!r} cannot be a setting of a recipe: expected None, a number, a string, a sequence, a mapping, a "
        "function, a class, a partial with keyword arguments only, a Linen module or a dataclass"
    )


def rebuild(description: Any) -> Any:
    """Rebuild the value that `describe` described as `description`.

    Raises:
        ValueError: if it names a class or function that does not exist, or one that networks do not need. Allowed are
            parts of networks from jaxcnn, Flax, JAX and optax.

    Examples:
        >>> from jaxcnn.models import LeNet
        >>> rebuild(describe(LeNet(num_classes=26))) == LeNet(num_classes=26)
        True
    """
    if isinstance(description, list):
        return tuple(rebuild(entry) for entry in description)
    if not isinstance(description, dict):
        return description
    rest = {name: rebuild(entry) for name, entry in description.items() if name not in ("class", "partial", "function")}
    if "class" in description:
        found = _find(description["class"])
        if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
            raise ValueError(f"{description['class']} is not a class of networks or settings")
        return found(**rest)
    if "partial" in description:
        return partial(_find(description["partial"]), **rest)
    return _find(description["function"]) if "function" in description else rest


def _fields(value: Any) -> list[str]:
    """The names of the fields of a dataclass that describe it.

    Fields with the metadata {'later': True}, which older records lack, are left out if they have their default.
    """
    names = [
        field.name
        for field in dataclasses.fields(value)
        if not (field.metadata.get("later") and getattr(value, field.name) == field.default)
    ]
    return [name for name in names if name not in _OF_THE_RUN] if isinstance(value, nn.Module) else names


def _path(value: Any) -> str:
    """The import path of `value`: through a public module if possible, because public paths are stable."""
    for module in _PUBLIC:
        if getattr(importlib.import_module(module), value.__name__, None) is value:
            return f"{module}:{value.__name__}"
    return f"{value.__module__}:{value.__qualname__}"


def _find(path: Any) -> Any:
    """Import the class or function at module:name, if networks may use it."""
    module, _, name = str(path).partition(":")
    if not any(module == known or module.startswith(f"{known}.") for known in _MODULES):
        raise ValueError(f"{path} is not allowed: expected a class or function of {', '.join(_MODULES)}")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
            if isinstance(found, ModuleType):
                raise ValueError(f"{path} is not allowed: {part} is a module")
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{path} does not exist in this version ({error})") from error
    if not callable(found) or getattr(found, "__module__", "").partition(".")[0] not in _PACKAGES:
        raise ValueError(f"{path} is not a class or function of {', '.join(_PACKAGES)}")
    return found
