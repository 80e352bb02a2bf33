"""The interval of checkpoints inside an epoch."""

import math
import re
from dataclasses import dataclass

from jaxcnn.errors import InputError

_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Interval:
    """A number of steps, or a time.

    Attributes:
        steps: number of steps; None for a time.
        seconds: the time in seconds; infinite for a number of steps.
    """

    steps: int | None = None
    seconds: float = math.inf

    def __post_init__(self) -> None:
        if (self.steps is not None and self.steps < 1) or not self.seconds > 0:
            raise InputError(f"an interval of {self.steps} steps or {self.seconds} seconds: expected more than 0")

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """The interval in `text`: a number of steps, such as '500', or a time, such as '30s', '10m' or '2h'.

        Raises:
            InputError: if `text` is anything else.

        Examples:
            >>> Interval.parse("500"), Interval.parse("10m")
            (Interval(steps=500, seconds=inf), Interval(steps=None, seconds=600.0))
        """
        match = re.fullmatch(r"([1-9][0-9]{0,8})([smh]?)", text.strip())
        if match is None:
            raise InputError(
                f"--checkpoint-every {text!r}: expected a number of steps, such as 500, or a time, such as 30s or 2h"
            )
        number, unit = match.groups()
        return cls(seconds=float(number) * _SECONDS[unit]) if unit else cls(steps=int(number))

    def is_over(self, steps: int, seconds: float) -> bool:
        """Whether the interval is over after `steps` steps and `seconds` seconds."""
        return seconds >= self.seconds or (self.steps is not None and steps >= self.steps)
