"""Signals that ask a run to stop."""

import signal
import threading
from types import FrameType, TracebackType


class StopSignals:
    """Within its context the first SIGINT or SIGTERM is noted; a second one ends the program at once.

    One context around another notes the signal too. Python takes signals in its main thread alone: in another nothing
    is noted.

    Attributes:
        received: the signal that came; None for none.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        around = self._before.get(number)
        self._restore()
        if callable(around) and isinstance(getattr(around, "__self__", None), StopSignals):
            around(number, frame)

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
