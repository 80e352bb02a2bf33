"""JSON descriptions of the settings of a recipe, so that a changed network is detected."""

import dataclasses
from functools import partial
from typing import Any

from flax import linen as nn

_OF_THE_RUN = ("parent", "name", "dtype")  # fields of a module that no recipe decides


def describe(value: Any) -> Any:
    """`value` as JSON: classes and functions by the path that they are imported from, with fields or arguments.

    Args:
        value: None, a number, a string, a sequence, a class, a function, a `functools.partial`, a Linen module or
            another dataclass, of such values.

    Returns:
        What `json.dumps` takes: equal for equal networks, whichever process describes them.

    Raises:
        TypeError: if it is anything else.

    Examples:
        >>> from jaxcnn.models import LeNet
        >>> describe(LeNet())
        {'class': 'jaxcnn.models.lenet.LeNet', 'num_classes': 10, 'norm': None}
        >>> describe(partial(LeNet, num_classes=26))
        {'function': 'jaxcnn.models.lenet.LeNet', 'num_classes': 26}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [describe(entry) for entry in value]
    if isinstance(value, partial) and not value.args:
        return {"function": describe(value.func)} | {name: describe(entry) for name, entry in value.keywords.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        if isinstance(value, nn.Module):
            names = [name for name in names if name not in _OF_THE_RUN]
        return {"class": describe(type(value))} | {name: describe(getattr(value, name)) for name in names}
    if (name := getattr(value, "__qualname__", None)) is not None:
        return f"{value.__module__}.{name}"
    raise TypeError(
        f"a recipe has {value!r}: expected None, a number, a string, a sequence, a class, a function, a partial with "
        "keyword arguments alone, a module or a dataclass"
    )
