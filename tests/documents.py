"""The commands and examples in Markdown files, and how tests run them. Slow commands are shortened."""

import importlib.util
import re
import shlex
from pathlib import Path

from jaxcnn import cli

ROOT = Path(__file__).parents[1]
SHORTENED = {
    "train": ["--epochs", "1", "--limit", "64"],
    "reproduce": ["--epochs", "1", "--limit", "64"],
    "lr-find": ["--limit", "64", "--steps", "10"],
}


def read_blocks(text):
    """The kind and the text of each code block."""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands_of(kind, text):
    """The commands in a code block."""
    if kind == "sh":
        lines = text.splitlines()
    else:
        lines = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    return [command.strip() for line in lines for command in line.split("&&")]


def run_command(command):
    """Run a command. Continuous integration tests the installation, and other tests run the lessons."""
    program, *words = shlex.split(command)
    if program == "jaxcnn":
        assert cli.main([*words, *SHORTENED.get(words[0], [])]) == 0, command
    elif program == "python":
        assert (ROOT / words[0]).is_file()
        assert words[0].startswith("experiments/chapter/")
    else:
        assert program in {"pip", "pytest"}, f"no test runs this command: {command}"


def can_run(text):
    """Whether this system can run a command or an example: some packages are extras, and web pages need npm."""
    needed = {
        "onnxruntime": "--format onnx" in text or "import onnxruntime" in text,
        "torch": "import torch\n" in text,
    }
    missing = [name for name, is_needed in needed.items() if is_needed and importlib.util.find_spec(name) is None]
    return "--format web" not in text and not missing


def run_blocks(blocks, names, path):
    """Run the commands and examples of a file in order, with `names` as the variables of the examples.

    An example whose first line is a file name, such as `# allconv.py`, is also written to that file.
    """
    for kind, text in blocks:
        if kind == "python":
            if named := re.match(r"# ([\w-]+\.py)\n", text):
                Path(named[1]).write_text(text, encoding="utf-8")
            if can_run(text):
                exec(compile(text, path, "exec"), names)
        else:
            for command in filter(can_run, commands_of(kind, text)):
                run_command(command)
