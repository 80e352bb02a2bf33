import io
import os
import sys

import pytest
from rich.console import Console
from rich.table import Table

from jaxcnn.writers import PlainConsole, say, show_table

LITERAL = "runs/[red] shirt [v2] :car: $x^$"


@pytest.mark.parametrize("kind", [Console, PlainConsole])
def test_text_is_printed_literally(kind):
    console = kind(file=io.StringIO(), width=20)
    say(console, LITERAL)
    assert console.file.getvalue() == f"{LITERAL}\n"


def example():
    table = Table(title="title [v2]")
    table.add_column("class")
    table.add_column("accuracy", justify="right")
    table.add_row("[red] shirt", "0.5")
    table.add_row("a class with a long name", "0.25\n/ 0.75")
    return table


def test_a_table_has_literal_text():
    console = PlainConsole(file=io.StringIO(), width=80)
    show_table(console, example())
    shown = console.file.getvalue()
    assert all(words in shown for words in ("title [v2]", "[red] shirt", "a class with a long name"))


def test_a_table_that_is_too_wide_becomes_lines():
    console = PlainConsole(file=io.StringIO(), width=24)
    show_table(console, example())
    assert " ".join(console.file.getvalue().split()) == (
        "title [v2]: class [red] shirt: accuracy 0.5 class a class with a long name: accuracy 0.25 / 0.75"
    )
    assert max(map(len, console.file.getvalue().splitlines())) <= 24


def test_a_console_without_a_reader_prints_no_more(monkeypatch):
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        os.close(reading)
        console = PlainConsole()
        say(console, "words")
        say(console, "words")
        assert console.quiet
