"""What ends the command line with one line instead of a traceback."""

from signal import Signals


class InputError(ValueError):
    """Something that the user gave cannot be used.

    Its message is one line: what is wrong, the rule, and how to mend it. The command line prints the line
    and leaves with exit code 2; any other exception is a defect of the program and keeps its traceback.
    """


class InUseError(InputError):
    """Another process uses the directory of a run."""


class RunError(Exception):
    """A run cannot go on, though what it was given can be used: a disk is full, or its numbers are not finite.

    Its message is one line: what happened, what is kept, and how to go on. The command line prints the line and leaves
    with exit code 1.
    """


class DivergedError(RunError):
    """The loss or a parameter of a run is not finite any more."""


class LostHostError(RunError):
    """A run on several hosts cannot go on, for one of them is gone."""


class StoppedError(Exception):
    """A signal asked a run to stop, and where it stood is saved.

    The command line leaves with exit code 128 plus the signal's number.

    Args:
        signal: which it was.
    """

    def __init__(self, signal: Signals) -> None:
        super().__init__(f"stopped by {signal.name}; the same command with the same --workdir goes on")
        self.signal = signal
