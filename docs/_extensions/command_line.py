"""The page on the command line, written from the output of `--help` when the site is built."""

import contextlib
import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

from jaxcnn import cli

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_PAGE = "reference/command-line"


@dataclass(frozen=True)
class Group:
    """Options in one box of the help.

    Attributes:
        title: title of the box.
        about: what the options have in common; empty for nothing.
        entries: options and arguments with their explanations.
    """

    title: str
    about: str
    entries: dict[str, str]


def command_line_page() -> str:
    """All commands with their options, in Markdown: a section for each command, and one for each group of options."""
    return "\n".join(line for command in _commands("") for line in _section(command))


def read_help(command: str) -> tuple[str, str, list[Group]]:
    """Usage, description and groups of options in the help of a command."""
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "80"}),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        cli.main([*command.split(), "--help"])
    output.seek(0)
    lines = output.read().splitlines()
    boxes = [number for number, line in enumerate(lines) if line.startswith("╭")]
    usage, description = "\n".join(lines[: boxes[0]]).strip().split("\n\n", maxsplit=1)
    groups = [
        _group([line.strip("╭╮│─ ") if line[0] == "╭" else line[2:-2].rstrip() for line in box])
        for box in _boxes(lines)
    ]
    return " ".join(usage.removeprefix("usage: ").split()), description, groups


def _boxes(lines: list[str]) -> Iterator[list[str]]:
    """The lines of each box, without its last rule."""
    box: list[str] = []
    for line in lines:
        if line.startswith("╰"):
            yield box
            box = []
        elif box or line.startswith("╭"):
            box.append(line)


def _group(lines: list[str]) -> Group:
    """The group in a box: the title, perhaps what it is about and a rule, then entries with indented explanations."""
    title, *lines = lines
    rule = next((number for number, line in enumerate(lines) if line.startswith("───")), -1)
    entries: dict[str, str] = {}
    for line in lines[rule + 1 :]:
        name, _, words = line.partition("  ")
        if name:
            entries[name] = words.strip()
        else:
            last = next(reversed(entries))
            entries[last] = f"{entries[last]} {line.strip()}".strip()
    return Group(title, " ".join(lines[: max(rule, 0)]), entries)


def _commands(parent: str) -> Iterator[str]:
    """The commands below `parent` that have no commands themselves."""
    usage, _, _ = read_help(parent)
    names = re.search(r" \{([\w,-]+)\}$", usage)
    if names is None:
        yield parent
    else:
        for name in names[1].split(","):
            yield from _commands(f"{parent} {name}".strip())


def _section(command: str) -> Iterator[str]:
    usage, description, groups = read_help(command)
    program = f"jaxcnn {command}"
    yield from (f"## {program}", "", "```text", usage, "```", "", _escaped(description), "")
    yield from (f"```{{program}} {program}", "```", "")
    for group in groups:
        entries = {name: words for name, words in group.entries.items() if not name.startswith("-h")}
        if entries and group.title not in ("options", "positional arguments"):
            yield from (f"### {program}: {group.title}", "", _sentences(group.about), "")
        for name, words in entries.items():
            yield from (f"````{{option}} {name}", _sentences(words), "````", "")


def _sentences(words: str) -> str:
    """An explanation as sentences, with its default in the last one."""
    words = re.sub(r" ?\(default: (False)?\)$", "", words)
    words = re.sub(r"\(default: (.*)\)$", r"Default: \1.", words).replace("(required)", "Required.")
    return _escaped(words[:1].upper() + words[1:])


def _escaped(text: str) -> str:
    """The text with options as code, and a backslash before each character that Markdown would interpret."""
    return re.sub(r"(?<!\S)--[a-z-]+", r"`\g<0>`", re.sub(r"([\\`*_{}\[\]<>|$#])", r"\\\1", text))


def _add_commands(app: "Sphinx", page: str, source: list[str]) -> None:
    del app
    if page == _PAGE:
        source[0] += command_line_page()


def setup(app: "Sphinx") -> dict[str, bool]:
    """Write the page anew in each build, because it changes with the code."""
    app.connect("env-get-outdated", lambda *_: [_PAGE])
    app.connect("source-read", _add_commands)
    return {"parallel_read_safe": True}
