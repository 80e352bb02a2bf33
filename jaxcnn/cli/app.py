"""The entry point: parse, call, and end with one line if something is wrong."""

import contextlib
import errno
import io
import logging
import re
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from itertools import pairwise

import tyro

import jaxcnn
from jaxcnn import platform
from jaxcnn.cli import results, training
from jaxcnn.cli.doctor import doctor
from jaxcnn.cli.overview import show_recipes, show_summary
from jaxcnn.cli.range_test import lr_find
from jaxcnn.cli.streams import tolerant_streams
from jaxcnn.errors import DivergedError, InputError, RunError, StoppedError
from jaxcnn.writers import drop_output

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RENAMED = {
    "--device": "--platform",
    "--devices": "--num-devices",
    "--ground": "--background",
    "--to": "--format, or --output for jaxcnn data prepare",
    "--out": "--output",
}
_CHOICES = {"--platform", "--dtype", "--format", "--background", "--log-to", "--split"}
"""Options with a fixed list of values, all in lower case."""

_COMMANDS: dict[str, Callable[..., Callable[[], None]]] = {
    "list": show_recipes,
    "summary": show_summary,
    "train": training.train,
    "lr-find": lr_find,
    "reproduce": training.reproduce,
    "evaluate": results.evaluate,
    "predict": results.predict,
    "report": results.report,
    "export": results.export,
    "doctor": doctor,
}


def _make_app() -> tyro.extras.SubcommandApp:
    app, data = tyro.extras.SubcommandApp(), tyro.extras.SubcommandApp()
    for name, command in _COMMANDS.items():
        app.command(name=name)(command)
    data.command(name="prepare")(training.prepare_data)
    app.command(data, name="data", help="Prepare Fashion-MNIST on disk.")
    return app


def main(args: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: the words after `jaxcnn`; None for those of this process.

    Returns:
        The exit code: 0; 1 if a run could not continue; 2 for invalid input; 128 plus its number for a signal.
    """
    code = 0
    with tolerant_streams():
        try:
            try:
                code = _run(sys.argv[1:] if args is None else args)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
        except BrokenPipeError:  # the reader of the output has ended
            return code
        except OSError as error:
            if error.errno not in _FULL or sys.stdout is None:
                raise
            drop_output(sys.stdout.fileno())
            return _end(f"the output cannot be written ({error.strerror}): free space, or write it elsewhere", 1)
        return code


def _run(args: list[str]) -> int:
    logging.basicConfig(format="%(message)s", handlers=[_StderrHandler()])
    logging.getLogger("jaxcnn").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", module="PIL")
    for name in ("absl", "PIL"):  # Orbax and Pillow also log the errors that they raise
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if args == ["--version"]:
        sys.stdout.write(f"jaxcnn {jaxcnn.__version__}\n")
        return 0
    try:
        with platform.require_devices():
            _parse(args or ["--help"])()
    except DivergedError as error:
        return _end(error, 1)
    except (InputError, RunError) as error:
        code = _end(error, 2 if isinstance(error, InputError) else 1)
        platform.shutdown_distributed(code)
        return code
    except StoppedError as stopped:
        return _end(stopped, 128 + stopped.signal)
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    return 0


def _parse(args: list[str]) -> Callable[[], None]:
    """What to call for `args`. Errors that Tyro prints in a box become an InputError of one line."""
    for option in (arg.partition("=")[0] for arg in args):
        if option in _RENAMED:
            raise InputError(f"{option} has a new name: give {_RENAMED[option]}")
    printed, words = io.StringIO(), [_in_lower_case(*two) for two in pairwise(["", *args])]
    try:
        with redirect_stderr(printed):
            return _make_app().cli(prog="jaxcnn", description="Convolutional networks in functional JAX.", args=words)
    except SystemExit as ended:
        if ended.code != 2:
            raise
        raise InputError(f"{_first_part(printed.getvalue())}; see {_help_command(args)}") from ended


def _in_lower_case(before: str, word: str) -> str:
    """`word`, in lower case if it is the value of an option with a fixed list of values."""
    option, equals, value = word.partition("=")
    if before.replace("_", "-") in _CHOICES:
        return word.lower()
    return f"{option}={value.lower()}" if equals and option.replace("_", "-") in _CHOICES else word


def _first_part(box: str) -> str:
    """The error in a box of Tyro, whose parts are separated by rules; the others repeat the help."""
    text = " ".join(line.strip("│| ") for line in box.splitlines()[1:-1])
    parts = [" ".join(part.split()) for part in re.split(r"─{4,}|-{4,}", text)]
    first = next(part for part in parts if part).rstrip(".")
    wrong_type = re.match(r"Error parsing (\S+): no type matching (?:\{None\}\|)?(\S+) .*? from \[(.+?)\]", first)
    if wrong_type is not None:
        option, expected, value = wrong_type.groups()
        return f"{option} {value}: expected {expected}"
    return first.removesuffix(" (required)").rstrip(".")


def _help_command(args: list[str]) -> str:
    if args[:2] == ["data", "prepare"]:
        return "jaxcnn data prepare --help"
    return " ".join(["jaxcnn", *(word for word in args[:1] if word in _COMMANDS), "--help"])


def _end(why: Exception | str, code: int) -> int:
    """Print why in one line, even if a name in it has line breaks, and return `code`."""
    with contextlib.suppress(BrokenPipeError, AttributeError):  # nobody reads it, or the shell has closed it
        sys.stderr.write(f"jaxcnn: {' '.join(str(why).splitlines())}\n")
    return code


class _StderrHandler(logging.StreamHandler):
    """Writes to the current `sys.stderr`, which a progress bar replaces to print above itself."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> io.TextIOBase:  # pyright: ignore[reportIncompatibleVariableOverride] -- an attribute there
        return sys.stderr  # pyright: ignore[reportReturnType] -- a text stream
