"""The page on the command line has every command and every option, with their explanations and defaults."""

import inspect
import re
from dataclasses import fields, is_dataclass

import command_line
import pytest

from jaxcnn.cli import app, training

COMMANDS = {**app._COMMANDS, "data prepare": training.prepare_data}

pytestmark = pytest.mark.usefixtures("restore_log_levels")


def options_of(command):
    """The options of a command by its signature: its own and those of its groups, without positional arguments."""
    found = set()
    for parameter in inspect.signature(command).parameters.values():
        group = parameter.default
        if is_dataclass(group):
            found |= {field.name for field in fields(group) if "Suppress" not in str(field.type)}
        elif "Positional" not in str(parameter.annotation):
            found.add(parameter.name)
    return {f"--{name.replace('_', '-')}" for name in found}


@pytest.fixture(scope="module")
def sections():
    """The text of each command on the page, by its name."""
    parts = re.split(r"^## jaxcnn (.+)$", command_line.command_line_page(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_is_on_the_page(sections):
    assert set(sections) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_on_the_page(name, sections):
    entries = re.findall(r"^````\{option\} (.+)$", sections[name], re.MULTILINE)
    shown = {word for entry in entries for word in re.findall(r"(?:^|, )(--[a-z-]+)", entry)}
    assert options_of(COMMANDS[name]) <= shown
    positional = [each for each in inspect.signature(COMMANDS[name]).parameters.values() if "Positional" in str(each)]
    assert len([entry for entry in entries if not entry.startswith("--")]) == len(positional)


def test_options_have_explanations_and_defaults(sections):
    assert "````{option} --batch-size INT\nExamples of a step. Default: the recipe's.\n````" in sections["train"]
    assert "````{option} --json\nPrint a JSON object for each image.\n````" in sections["predict"]
    assert re.search(r"````\{option\} --output PATH\n.*Required\.\n", sections["data prepare"])


def test_long_explanations_are_joined(sections):
    assert (
        "The head is new if the number of classes differs. Default: the recipe's initialization." in sections["train"]
    )


def test_options_are_grouped_as_in_the_help(sections):
    headings = re.findall(r"^### jaxcnn train: (.+)$", sections["train"], re.MULTILINE)
    assert headings == [f"{group} options" for group in ("recipe", "training", "data", "hardware", "saving")]


def test_characters_of_markdown_are_escaped(sections):
    assert r"such as 'conv\*,dense1/bias'" in sections["train"]
    assert r"JAX\_PROCESS\_ID" in sections["train"]
