"""Timing: a stopwatch that waits for the device, and a benchmark that repeats."""

import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import torch

from ._current_machine import clock_seconds, current_machine
from ._translation import tr
from .devices import synchronize, try_gpu

__all__ = ["Measurement", "Timer", "benchmark"]


class Timer:
    """A stopwatch for laps, in seconds, that waits for the device before it reads the clock.

    A call on an accelerator returns before the work is done; a clock read at that moment shows the time of launching
    kernels. ``start`` and ``stop`` therefore call :func:`d2lcompute.synchronize` first. The clock is monotonic: it
    never jumps when the system's time is set.

    As in the book, making a timer starts it. As a context manager it times the block, and drops the lap of a block
    that raised.

    Args:
        device: the device to wait for; by default the current accelerator, if there is one.

    Attributes:
        times: the laps so far, a list of seconds.

    Example:
        >>> timer = Timer()
        >>> product = torch.ones(8, 8) @ torch.ones(8, 8)
        >>> timer.stop() > 0
        True
        >>> with timer:
        ...     product = product @ product
        >>> len(timer.times), timer.sum() == sum(timer.times)
        (2, True)

    Source:
        Book zh 3.1.2; its own timer reads the system's time and does not wait for the device.
    """

    def __init__(self, *, device: torch.device | str | int | None = None) -> None:
        self.device = device
        self.times: list[float] = []
        self._started: float | None = None
        self.start()

    def start(self) -> None:
        """Start a lap now, after the device has finished what came before; a running lap is dropped."""
        self._started = self._now()

    def stop(self) -> float:
        """End the lap and return its seconds.

        Raises:
            RuntimeError: if no lap is running.
        """
        if self._started is None:
            raise RuntimeError(tr("stop() ends a lap, and none is running: call start() first, once for each stop()"))
        self.times.append(self._now() - self._started)
        self._started = None
        return self.times[-1]

    def avg(self) -> float:
        """Return the mean lap in seconds.

        Raises:
            RuntimeError: if no lap was stopped yet.
        """
        if not self.times:
            raise RuntimeError(
                tr("avg() is the mean of the laps, and there is none yet: call start() and stop() first")
            )
        return self.sum() / len(self.times)

    def sum(self) -> float:
        """Return the sum of all laps in seconds."""
        return sum(self.times)

    def cumsum(self) -> list[float]:
        """Return the seconds that had passed at the end of each lap."""
        return list(itertools.accumulate(self.times))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.stop()
        else:
            self._started = None

    def __repr__(self) -> str:
        state = "running" if self._started is not None else "stopped"
        return f"Timer(laps={len(self.times)}, sum={self.sum():.6f} s, {state})"

    def _now(self) -> float:
        synchronize(self.device)
        return clock_seconds()


@dataclass(frozen=True)
class Measurement:
    """What :func:`benchmark` measured: seconds for one call.

    Attributes:
        median_seconds: half of the repeats took longer per call.
        iqr_seconds: the interquartile range of the repeats, a measure of noise that outliers do not move.
        repeats: how many blocks of calls were timed.
        calls: how many calls one block holds.
        device: the device that was waited for.
    """

    median_seconds: float
    iqr_seconds: float
    repeats: int
    calls: int
    device: torch.device

    def __str__(self) -> str:
        return (
            f"{self.median_seconds:.3g} s ± {self.iqr_seconds:.2g} s per call "
            f"(median ± IQR of {self.repeats} × {self.calls} calls on {self.device})"
        )


def benchmark(
    fn: Callable[..., Any], *args: Any, device: torch.device | str | None = None, min_run_seconds: float = 0.2
) -> Measurement:
    """Time ``fn(*args)`` until the figure is worth something.

    :mod:`torch.utils.benchmark` does the work: it warms up, chooses how many calls make a block, uses one thread, and
    waits for the device at both ends of a block. Inside ``pretend_gpus`` one call tells the modelled time.

    Args:
        fn: what to time.
        *args: handed to ``fn`` at each call.
        device: the device to wait for; by default what :func:`d2lcompute.try_gpu` returns.
        min_run_seconds: how long to go on in all, in seconds.

    Returns:
        The median and the interquartile range, in seconds for one call.

    Raises:
        TypeError: if ``fn`` cannot be called.
        ValueError: if ``min_run_seconds`` is not positive.

    Example:
        >>> X = torch.ones(16, 16)
        >>> benchmark(torch.mm, X, X, min_run_seconds=0.01).median_seconds > 0
        True
    """
    if not callable(fn):
        raise TypeError(
            tr(
                "fn must be something to call, such as a function; got {kind} "
                "(hand over the function itself and its arguments, not the result of a call)",
                kind=type(fn).__name__,
            )
        )
    if not min_run_seconds > 0:
        raise ValueError(tr("min_run_seconds must be more than 0; got {seconds!r}", seconds=min_run_seconds))
    where = try_gpu() if device is None else torch.device(device)

    def waiting_clock() -> float:
        synchronize(where)
        return clock_seconds()

    timer = _torch_timer()("fn(*args)", globals={"fn": fn, "args": args}, timer=waiting_clock)
    # A modelled time has no noise, and its seconds may be minutes of real arithmetic: once is enough.
    measured = timer.timeit(1) if current_machine() else timer.blocked_autorange(min_run_time=min_run_seconds)
    return Measurement(measured.median, measured.iqr, len(measured.times), measured.number_per_run, where)


def _torch_timer() -> Callable[..., Any]:
    """Import torch's timer (a tenth of a second), without its word on stderr where a CUDA toolkit meets no GPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from torch.utils.benchmark import Timer as RepeatingTimer
    finally:
        logger.setLevel(level)
    return RepeatingTimer
