"""Errors that end the command line with one line and no traceback."""

from signal import Signals


class InputError(ValueError):
    """The input cannot be used.

    The message is one line: what is wrong, the allowed values, and the remedy. The command line prints it and exits
    with code 2.
    """


class InUseError(InputError):
    """Another process uses the directory of a run."""


class RunError(Exception):
    """A run cannot continue, though the input is valid: the disk is full, or the numbers are not finite.

    The message is one line: what happened, what is kept, and how to resume. The command line prints it and exits with
    code 1.
    """


class DivergedError(RunError):
    """The loss or a parameter of a run is not finite."""


class LostProcessError(RunError):
    """A run of several processes cannot continue, because one of them is gone."""


class StoppedError(Exception):
    """A signal stopped a run, which is saved.

    The command line exits with code 128 plus the number of the signal.

    Args:
        signal: the signal.
        remedy: how to resume.
    """

    def __init__(self, signal: Signals, remedy: str = "the same command with the same --workdir resumes") -> None:
        super().__init__(f"stopped by {signal.name}; {remedy}")
        self.signal = signal
