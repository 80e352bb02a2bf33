import io
import os
import sys
from pathlib import Path

import pytest

from jaxcnn import cli

pytestmark = pytest.mark.usefixtures("restore_log_levels")


@pytest.mark.parametrize("command", ["list", "summary lenet", "evaluate 图像"])
def test_characters_that_cannot_be_encoded_are_replaced(monkeypatch, command):
    written = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, content in written.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(content, encoding="ascii"))
    assert cli.main(command.split()) == (2 if command.startswith("evaluate") else 0)
    shown = b"".join(content.getvalue() for content in written.values())
    assert (b"jaxcnn: ?? is not a run" if command.startswith("evaluate") else b"+----") in shown


@pytest.mark.parametrize(("command", "code"), [("list", 0), ("--version", 0), ("--help", 0), ("fly", 2)])
def test_output_without_a_reader_is_no_error(monkeypatch, command, code):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as stream:
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, stream)
        try:
            ended = cli.main([command])
        except SystemExit as error:  # the help ends so
            ended = error.code
        assert ended == code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("command", ["list", "--version", "--help"])
def test_output_to_a_full_disk_is_one_line(monkeypatch, capsys, record_fault, command):
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert cli.main([command]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    record_fault("the output of a command to a full disk", "one line, exit code 1", err)


def test_a_closed_stderr_keeps_the_exit_code(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["summary", "lennet"]) == 2
