"""Text on a terminal: names of files and classes are printed literally, and nothing is cut off."""

import os
import sys
from collections.abc import Collection, Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text


class PlainConsole(Console):
    """A console that prints text literally, and drops its output if the reader, such as `head`, has ended.

    Args:
        options: those of Rich's console.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def on_broken_pipe(self) -> None:
        """Drop all further output. Rich's own method would end the program."""
        self.quiet = True
        drop_output(self.file.fileno())


def drop_output(descriptor: int) -> None:
    """Redirect an open file descriptor to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def say(console: Console, words: str, *, wrap: bool = False) -> None:
    """Print words literally. Names of files are not wrapped, so that they can be copied."""
    console.print(Text(words), soft_wrap=not wrap)


def make_table(title: str, headings: Iterable[str], *, left: Collection[str] = ()) -> Table:
    """Make a table without rows. Its columns are aligned to the right, except those of the headings in `left`."""
    table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right")
    return table


def show_table(console: Console, table: Table) -> None:
    """Print a table of text literally. If the console is too narrow for it, print a line for each row instead."""
    title = str(table.title)
    wide = console.options.update(max_width=sys.maxsize)
    if console.measure(table, options=wide).maximum <= console.width:
        table.title = Text(title, "table.title")
        console.print(table, markup=False, highlight=False)
        return
    say(console, f"{title}:", wrap=True)
    headings = [str(column.header) for column in table.columns]
    for row in zip(*(column.cells for column in table.columns), strict=True):
        first, *others = (
            f"{heading} {' '.join(str(cell).split())}" for heading, cell in zip(headings, row, strict=True) if cell
        )
        say(console, f"{first}: {', '.join(others)}", wrap=True)
