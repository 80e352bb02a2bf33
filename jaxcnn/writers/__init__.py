"""Writers watch runs and write what they see: on the terminal, to JSON lines, to TensorBoard.

Your own writer is a class with some of the methods of `runs.Writer`: `runs.train(..., writers=[MyWriter()])`.
"""

from jaxcnn.runs.writer import Setup, Writer
from jaxcnn.writers.console import PlainConsole, drop_output, make_table, say, show_table
from jaxcnn.writers.jsonl import JsonLinesWriter
from jaxcnn.writers.tensorboard import TensorBoardWriter
from jaxcnn.writers.terminal import TerminalWriter

__all__ = [
    "JsonLinesWriter", "PlainConsole", "Setup", "TensorBoardWriter", "TerminalWriter", "Writer", "drop_output",
    "make_table", "say", "show_table",
]  # fmt: skip
