"""Stopping what runs for too long, and telling a learner's Ctrl-C from an exception that the answer raised."""

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

__all__ = ["Interrupts", "TimeIsUp", "noted_interrupts", "run_within"]

_AGAIN_SECONDS = 0.1
Result = TypeVar("Result")


class TimeIsUp(BaseException):
    """Raised inside an answer that has run for too long; no Exception, so that ``except Exception`` lets it through."""


class Interrupts:
    """What is known of the learner's Ctrl-C while an answer is tried.

    Attributes:
        came: whether Ctrl-C was pressed.
        deferred: whether it has to wait until the settings are back in place.
    """

    came = False
    deferred = False


@contextmanager
def noted_interrupts() -> Iterator[Interrupts]:
    """Note each real Ctrl-C: it ends the check, while a KeyboardInterrupt that the answer raises is only feedback.

    Python delivers signals to the main thread only; in any other thread there is nothing to note.
    """
    interrupts = Interrupts()
    former = signal.getsignal(signal.SIGINT)
    if not callable(former) or threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    handler: Callable[[int, FrameType | None], object] = former

    def note(number: int, frame: FrameType | None) -> None:
        interrupts.came = True
        if not interrupts.deferred:
            handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, former)
    if interrupts.came:
        raise KeyboardInterrupt


def run_within(seconds: float, work: Callable[[], Result]) -> Result:
    """Return what some work returns; raise :class:`TimeIsUp` in it if it runs for longer than this.

    On Linux and macOS an alarm ends Python code, sleeping and waiting alike, when it is set from the main thread, where
    a notebook's cells run. On Windows, and in other threads, a watchdog ends Python code between two instructions, not
    inside a long wait. Both ring again each tenth of a second, for an answer that catches the first one. Neither can
    end a single long call into compiled code before it returns, nor an answer that catches BaseException for ever.

    Args:
        seconds: how long the work may take.
        work: what to call.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    guard = _Alarm() if in_main_thread and hasattr(signal, "setitimer") else _Watchdog()
    try:
        guard.start(seconds)
        return work()
    finally:
        # An exception that is on its way may arrive at the first line of stop(), before any try of its own: it is
        # caught here, and stop() begins again. This is why the guard is no context manager.
        while True:
            try:
                guard.stop()
                break
            except TimeIsUp:
                continue


class _Alarm:
    """The system's alarm; what was to ring before, and when, is put back."""

    def __init__(self) -> None:
        self._rings = True
        self._former: Any = None
        self._delay = self._interval = self._started = 0.0

    def start(self, seconds: float) -> None:
        """Let it ring after so many seconds, and each tenth of a second from then on."""
        self._former = signal.signal(signal.SIGALRM, self._ring)
        self._started = time.monotonic()
        self._delay, self._interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)

    def stop(self) -> None:
        """Let it ring no more."""
        self._rings = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if self._former is None else self._former)
        if self._delay:
            left = max(self._delay - (time.monotonic() - self._started), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, left, self._interval)

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        if self._rings:
            raise TimeIsUp


class _Watchdog:
    """Another thread that raises the exception in this one."""

    def __init__(self) -> None:
        self._thread_id = threading.get_ident()
        self._gate = (
            threading.Lock()
        )  # the watchdog waits at it; no threading.Event, whose own lock could be left locked
        self._gate.acquire()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._seconds = 0.0

    def start(self, seconds: float) -> None:
        """Let it ring after so many seconds, and each tenth of a second from then on."""
        self._seconds = seconds
        self._thread.start()

    def stop(self) -> None:
        """Let it ring no more, and take what is on its way: nothing is pending afterwards.

        An exception that was set is delivered, never taken back: in Python 3.11 ``PyThreadState_SetAsyncExc(id, None)``
        would leave the interpreter's flag for it set for ever, and the first function that is traced would never end.
        """
        if self._gate.locked():
            self._gate.release()
        if self._thread.ident is not None:
            self._thread.join()
        for _ in range(100):  # Python delivers at the end of a loop's round, at the latest here
            pass

    def _watch(self) -> None:
        delay = self._seconds
        while not self._gate.acquire(timeout=delay):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread_id), ctypes.py_object(TimeIsUp))
            delay = _AGAIN_SECONDS
