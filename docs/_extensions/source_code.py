"""What the API pages show of the source: signatures and values as they are written, not as Python evaluates them.

`Float[Array, "n h w c"]` and `Window` are short in the source. Their values at run time are long.
"""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from flax import linen as nn

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_MAX_WIDTH = 110  # of a value that is shown
_OF_FLAX = ("parent", "name")  # fields that every Linen module has


def signature_of(value: Any) -> tuple[str, str]:
    """The arguments of a function or class, and the type of the result, as in the source; empty if it has none."""
    if not isinstance(value, type):
        return _of_function(inspect.unwrap(value))
    if is_dataclass(value) or hasattr(value, "_fields"):
        return f"({', '.join(_fields(value))})", ""
    has_constructor = value.__init__.__qualname__.startswith(f"{value.__name__}.")
    return _of_function(value.__init__) if has_constructor else ("", "")


def data_of(name: str) -> tuple[str, str]:
    """The docstring of a variable of a package, and its value if that is short; `name` is that of package and variable.

    Raises:
        LookupError: if it has no docstring.
    """
    package, _, variable = name.rpartition(".")
    for statement in ast.walk(_module(package)):
        if isinstance(statement, ast.ImportFrom) and any(alias.name == variable for alias in statement.names):
            return data_of(f"{statement.module}.{variable}")
    body = _module(package).body
    for statement, following in pairwise(body):
        match statement, following:
            case (
                ast.Assign(targets=[ast.Name(id=found)], value=value)
                | ast.AnnAssign(target=ast.Name(id=found), value=value),
                ast.Expr(value=ast.Constant(value=str(text))),
            ) if found == variable and value is not None:
                source = f"{variable} = {ast.unparse(value)}"
                return inspect.cleandoc(text), source if len(source) <= _MAX_WIDTH else ""
    raise LookupError(f"{name} has no docstring after its assignment")


@lru_cache
def _module(name: str) -> ast.Module:
    return ast.parse(inspect.getsource(importlib.import_module(name)))


def _parse(value: Any) -> ast.stmt:
    return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]


def _of_function(function: Any) -> tuple[str, str]:
    node = _parse(function)
    assert isinstance(node, ast.FunctionDef)
    arguments = node.args
    if arguments.args and arguments.args[0].arg in ("self", "cls"):
        del arguments.args[0]
    for argument in [*arguments.args, *arguments.kwonlyargs]:
        if argument.annotation is not None:
            argument.annotation = ast.Name(_unquoted(argument.annotation))
    returns = "" if node.returns is None or node.name == "__init__" else _unquoted(node.returns)
    return f"({ast.unparse(arguments)})", returns


def _fields(kind: type) -> Iterator[str]:
    """The fields of a dataclass or named tuple as arguments, those of base classes first."""
    found: dict[str, ast.AnnAssign] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.startswith("jaxcnn."):
            node = _parse(each)
            assert isinstance(node, ast.ClassDef)
            statements = [statement for statement in node.body if isinstance(statement, ast.AnnAssign)]
            found |= {ast.unparse(statement.target): statement for statement in statements}
    for name, statement in found.items():
        default = _default(statement.value)
        if not (issubclass(kind, nn.Module) and name in _OF_FLAX):
            yield f"{name}: {_unquoted(statement.annotation)}" + ("" if default is None else f" = {default}")


def _default(value: ast.expr | None) -> str | None:
    """The default of a field, also if it is an argument of `field`; None for none."""
    if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "field":
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        if "default_factory" in given:
            return f"{ast.unparse(given['default_factory'])}()"
        value = given.get("default")
    return None if value is None else ast.unparse(value)


def _unquoted(annotation: ast.expr) -> str:
    """An annotation, without the quotation marks around the name of a class that is defined later."""
    match annotation:
        case ast.Constant(value=str(text)):
            return text
    return ast.unparse(annotation)


def _show_signature(
    app: "Sphinx", what: str, name: str, value: Any, options: Any, arguments: str | None, result: str | None
) -> tuple[str, str] | None:
    del app, name, options, arguments, result
    return signature_of(value) if what in ("class", "function", "method") else None


def _show_data(app: "Sphinx", what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Replace the docstring of a variable's type by that of the variable."""
    del app, value, options
    if what == "data":
        text, source = data_of(name)
        lines[:] = [*text.splitlines(), "", f"    {source}", ""]


def _skip_fields(app: "Sphinx", what: str, name: str, value: Any, skip: bool, options: Any) -> bool | None:
    """Skip a field whose default is a function or a type, which autodoc takes for a method or an inner class."""
    del app, name, skip, options
    return True if what == "class" and "." not in getattr(value, "__qualname__", ".") else None


def setup(app: "Sphinx") -> dict[str, bool]:
    """Connect to autodoc."""
    app.connect("autodoc-process-signature", _show_signature)
    app.connect("autodoc-skip-member", _skip_fields)
    app.connect("autodoc-process-docstring", _show_data, priority=100)
    return {"parallel_read_safe": True}
