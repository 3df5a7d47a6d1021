"""Timing a device that returns before it has done anything."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, shown, tr

__all__ = ["EXERCISE"]

STUB = """\
def big_and_small(work, synchronize):
    raise NotImplementedError
"""

# What any clock may be wrong by: on some systems time.time() moves in steps of a 64th of a second.
TOLERANCE_SECONDS = 0.02


def big_and_small(work: "Callable[[], None]", synchronize: "Callable[[], None]") -> float:
    """Time the work itself: wait for the device before each reading of the clock."""
    import time

    synchronize()
    start = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - start


class Device:
    """A stand-in for an accelerator: it takes orders at once, and a thread of its own really takes the time.

    Attributes:
        spans: when it began and ended each order that it has done.
        orders: how often work was ordered.
        waits: how often somebody waited since the last order, and before the first one.
    """

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self.orders = 0
        self.waits = {"before": 0, "after": 0}
        self._queue: queue.Queue[float] = queue.Queue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def order(self, seconds: float) -> None:
        """Put work into the queue, and return."""
        self._queue.put(seconds)

    def synchronize(self) -> None:
        """Wait until the queue is empty."""
        self._queue.join()

    def close(self) -> None:
        """Drop what is left to do."""
        self._closed.set()
        self.order(0.0)
        self._thread.join()

    def _work(self) -> None:
        while True:
            seconds = self._queue.get()
            if self._closed.is_set():
                return
            begin = time.perf_counter()
            self._closed.wait(seconds)
            self.spans.append((begin, time.perf_counter()))
            self._queue.task_done()


def waits_for_the_end(answer: Any, trial: Trial) -> None:
    """The seconds run from the order until the device has done the work."""
    with _device() as device:
        seconds = trial.size(28, 36) / 1000
        trial.plan(
            tr("work that keeps the device busy for {seconds} seconds", seconds=seconds),
            nudge=tr("Which two moments does it compare?"),
        )

        came, idle = _timed(device, answer, trial, seconds)

        remark = _about(device, came, idle)
    trial.require(
        bool(0.5 * min(_busy(device), default=0.0) <= came <= _most(device, idle)) and device.orders > 0,
        expected=tr("about {busy:.3f}", busy=max(_busy(device), default=seconds)),
        got=f"{came:.2g}" if abs(came) >= 0.001 else "0.000",
        remark=remark,
    )


def leaves_out_earlier_work(answer: Any, trial: Trial) -> None:
    """What the device still had to do before is not counted."""
    with _device() as device:
        earlier, seconds = trial.size(48, 54) / 1000, trial.size(12, 16) / 1000
        trial.plan(
            tr(
                "work of {seconds} seconds, while the device is still busy for {earlier} seconds with something else",
                seconds=seconds,
                earlier=earlier,
            ),
            nudge=tr("When is the clock started, and what does the device do at that moment?"),
        )
        device.order(earlier)

        came, idle = _timed(device, answer, trial, seconds)

    remark = tr("The device was still busy with earlier work, and you count that too: let it finish before the start.")
    counted = came <= 2 * (earlier + seconds) + idle
    most = _most(device, idle, skip=1)
    trial.require(
        not came > most,
        expected=tr("about {busy:.3f}", busy=max(_busy(device)[1:], default=seconds)),
        got=f"{came:.2g}" if abs(came) >= 0.001 else "0.000",
        remark=remark if counted else "",
    )


@contextmanager
def _device() -> Iterator[Device]:
    """Open a device, and close it."""
    device = Device()
    try:
        yield device
    finally:
        device.close()


def _timed(device: Device, answer: Any, trial: Trial, seconds: float) -> tuple[float, float]:
    """Call the answer; return its seconds, and for how long the device had nothing to do meanwhile."""

    def work() -> None:
        device.orders += 1
        device.waits["after"] = 0
        device.order(seconds)

    def synchronize() -> None:
        device.waits["after" if device.orders else "before"] += 1
        device.synchronize()

    begin = time.perf_counter()
    came = trial.call(answer, work, synchronize)
    end = time.perf_counter()
    device.synchronize()
    remark = tr("It gave None: is a return missing?") if came is None else tr("Return the seconds as a number.")
    is_number = isinstance(came, int | float) and not isinstance(came, bool)
    trial.require(is_number, expected=tr("a number of seconds"), got=shown(came), remark=remark)
    busy = sum(max(0.0, min(end, until) - max(begin, since)) for since, until in device.spans)
    return float(came), end - begin - busy


def _busy(device: Device) -> list[float]:
    """Return how long the device was busy with each order."""
    return [until - since for since, until in device.spans]


def _most(device: Device, idle: float, *, skip: int = 0) -> float:
    """Return the most that a right answer can measure: one order, and all the time in which nothing was done."""
    return max(_busy(device)[skip:], default=0.0) + idle + TOLERANCE_SECONDS


def _about(device: Device, came: float, idle: float) -> str:
    """Name the mistake behind a wrong time, if it is a known one."""
    if not device.orders:
        return tr("work() was never called: nothing was timed.")
    if came < 0:
        return tr("The seconds are negative: take the earlier reading from the later one.")
    busy = _busy(device)
    for factor, unit in ((1e3, tr("milliseconds")), (1e6, tr("microseconds")), (1e9, tr("nanoseconds"))):
        if 0.5 * min(busy) <= came / factor <= _most(device, idle):
            return tr("That is in {unit}: seconds are asked for.", unit=unit)
    if came > max(busy):
        together = tr(
            "These are the seconds of {orders} calls together: one call's are asked for.", orders=device.orders
        )
        return together if device.orders > 1 and came <= sum(busy) + idle + TOLERANCE_SECONDS else ""
    if device.waits["after"]:
        return tr(
            "You do wait, but the clock does not see it: it was read too early, or it counts the "
            "time in which the CPU computes, as time.process_time does."
        )
    if device.waits["before"]:
        return tr("You wait before the order is given, and not for what was ordered.")
    return tr("You never wait for the device: work() returns at once, so that this is the time of giving the order.")


EXERCISE = Exercise(
    name="big_and_small",
    notebook="07_gpu",
    section="Small products, large products",
    book=("5.6.1", "6.7.1"),
    difficulty=2,
    minutes=10,
    task="Write a function that returns the seconds that work() really takes on a device where it returns at once, "
    "and where synchronize() waits for all that the device was given.",
    stub=STUB,
    form=a_function,
    requirements=(waits_for_the_end, leaves_out_earlier_work),
    rounds=2,
    hints=(
        "What is the device doing at the moment when work() returns, and what when you start your clock?",
        "Read the clock twice, each time when the device has nothing left to do.",
        "synchronize(), read time.perf_counter(), work(), synchronize(), read again, and return the difference.",
    ),
    solution=big_and_small,
    why="The wait before the start lets earlier work finish, so that it is not counted; the wait before the second "
    "reading keeps the clock running until the device has done what work() ordered.",
)
