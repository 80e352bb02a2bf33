"""The command line: it parses, calls, and prints."""

from jaxcnn.cli.app import main

__all__ = ["main"]
