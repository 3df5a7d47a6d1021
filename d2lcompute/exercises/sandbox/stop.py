"""Stopping what runs for too long, and telling a learner's Ctrl-C from an exception that the answer raised."""

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

__all__ = ["Interrupts", "TimeIsUp", "noted_interrupts", "time_limit"]


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


def time_limit(seconds: float) -> AbstractContextManager[None]:
    """Raise :class:`TimeIsUp` in the body if it runs for longer than this.

    On Linux and macOS an alarm ends Python code, sleeping and waiting alike, when it is set from the main thread, where
    a notebook's cells run. On Windows, and in other threads, a watchdog ends Python code between two instructions, not
    inside a long wait. Neither can end a single long call into compiled code before it returns, nor an answer that
    catches BaseException for ever.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    return _alarm(seconds) if in_main_thread and hasattr(signal, "setitimer") else _watchdog(seconds)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Set the system's alarm; what rang before, and when, is put back."""
    armed = True

    def ring(_number: int, _frame: FrameType | None) -> None:
        if armed:
            raise TimeIsUp

    former = signal.signal(signal.SIGALRM, ring)
    started = time.monotonic()
    # It rings again each tenth of a second, for an answer that catches the first one.
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
    try:
        try:
            yield
        finally:
            armed = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if former is None else former)
        if delay:
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - started), 1e-3), interval)


@contextmanager
def _watchdog(seconds: float) -> Iterator[None]:
    """Let another thread raise the exception in this one."""
    lock = threading.Lock()
    thread = ctypes.c_ulong(threading.get_ident())
    raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
    running = True

    def ring() -> None:
        with lock:
            if running:
                raise_in_thread(thread, ctypes.py_object(TimeIsUp))

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        try:
            yield
        finally:
            with lock:
                running = False
    finally:
        timer.cancel()
        raise_in_thread(thread, None)  # takes back one that is on its way
        timer.join()
