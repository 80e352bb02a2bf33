import signal
import threading

import pytest

from jaxcnn.runs.stopping import StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_recorded_and_the_handler_restored(number):
    before = signal.getsignal(number)
    with StopSignals() as signals:
        assert signals.received is None
        signal.raise_signal(number)
        assert signals.received == number
        assert signal.getsignal(number) is before
    assert signal.getsignal(number) is before


@pytest.fixture
def interruptible():
    """Let SIGINT raise KeyboardInterrupt. A shell may start background jobs that ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_interrupt_raises_at_once(interruptible):
    with StopSignals():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_nested_contexts_record_the_same_signal():
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as around:
        with StopSignals() as inside:
            signal.raise_signal(signal.SIGTERM)
        assert around.received == inside.received == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is before
        with StopSignals() as following:
            pass
        assert following.received is None
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_handler_is_restored_without_a_signal():
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as signals:
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signals.received is None
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_record_no_signal():
    noted = []

    def use():
        with StopSignals() as signals:
            noted.append(signals.received)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert noted == [None]
