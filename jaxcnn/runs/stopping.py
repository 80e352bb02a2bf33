"""Signals that stop a run."""

import signal
import threading
from types import FrameType, TracebackType


class StopSignals:
    """A context that records the first SIGINT or SIGTERM; a second one ends the program at once.

    Nested contexts all record the signal. Python handles signals in its main thread alone, so in other threads nothing
    is recorded.

    Attributes:
        received: the signal; None for none.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._record)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _record(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number)
        around = self._before.get(number)
        self._restore()
        if callable(around) and isinstance(getattr(around, "__self__", None), StopSignals):
            around(number, frame)

    def _restore(self) -> None:
        while self._before:
            signal.signal(*self._before.popitem())
