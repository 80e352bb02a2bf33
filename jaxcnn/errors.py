"""Errors that end the command line with one line and no traceback."""

from collections.abc import Collection, Sequence
from signal import Signals

_MAX_NAMES = 10


def list_names(names: Sequence[str]) -> str:
    """The first ten of `names` for a message, and how many more there are.

    Examples:
        >>> list_names(["cat", "dog"])
        'cat, dog'
        >>> list_names([str(number) for number in range(12)])
        '0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more'
    """
    more = f" and {len(names) - _MAX_NAMES:,} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def list_differences(names: dict[str, Collection[str]]) -> str:
    """The names that only one of two collections has, in quotes that make spaces and unusual characters visible.

    Examples:
        >>> list_differences({"train": ["cat", "cow"], "test": ["cat", "dog ", "pig"]})
        "'cow' only in train; 'dog ', 'pig' only in test"
    """
    (first, ones), (second, others) = names.items()
    only = {first: set(ones) - set(others), second: set(others) - set(ones)}
    return "; ".join(
        f"{list_names(sorted(map(repr, found)))} only in {place}" for place, found in only.items() if found
    )


def first_line(error: BaseException) -> str:
    """The first line of the message of `error`, or its type if it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class InputError(ValueError):
    """The input cannot be used.

    The message is one line: what is wrong, the allowed values, and the remedy. The command line prints it and exits
    with code 2.
    """


class ImageError(InputError):
    """Images cannot be read.

    Args:
        faults: what is wrong with each image, by its name.
    """

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        """One clause for each fault, with the names of its images."""
        names: dict[str, list[str]] = {}
        for name, fault in self.faults.items():
            names.setdefault(fault, []).append(name)
        return "; ".join(f"{list_names(named)} {fault}" for fault, named in names.items())


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
