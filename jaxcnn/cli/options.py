"""What the commands share: options, expanded paths, and printed lines."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, ParamSpec

import tyro

from jaxcnn import writers
from jaxcnn.files import expand_path

P = ParamSpec("P")


def option(metavar: str, default: str, *aliases: str) -> object:
    """An option that is None unless given: the word for its value in the help, and what None stands for."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})", aliases=aliases or None)


def later(command: Callable[P, None]) -> Callable[P, Callable[[], None]]:
    """Make `command` return a function to call later, after all arguments are parsed and their paths expanded."""

    @wraps(command)
    def bind(*args: P.args, **kwargs: P.kwargs) -> Callable[[], None]:
        expanded = {name: _with_expanded_paths(value) for name, value in kwargs.items()}
        return partial(command, *map(_with_expanded_paths, args), **expanded)

    return bind


def _with_expanded_paths(value: Any) -> Any:
    """An argument with each path expanded, also those in a tuple or a group of options."""
    if isinstance(value, Path):
        return expand_path(value)
    if isinstance(value, tuple):
        return tuple(map(_with_expanded_paths, value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{each.name: _with_expanded_paths(getattr(value, each.name)) for each in fields(value)})
    return value


def print_line(words: str) -> None:
    """Print words literally, without wrapping them."""
    writers.say(writers.PlainConsole(), words)
