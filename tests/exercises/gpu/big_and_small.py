"""Wrong answers to ``big_and_small``."""

import time
from collections.abc import Callable
from typing import Any

from d2lcompute.exercises.lessons.gpu.big_and_small import big_and_small
from tests.exercises.wrong_answers import WrongAnswer

Order = Callable[[], None]


def _no_wait(work: Order, _: Order) -> Any:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _wait_before_only(work: Order, synchronize: Order) -> Any:
    synchronize()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _wait_after_only(work: Order, synchronize: Order) -> Any:
    start = time.perf_counter()
    work()
    synchronize()
    return time.perf_counter() - start


def _started_before_the_wait(work: Order, synchronize: Order) -> Any:
    start = time.time()
    synchronize()
    work()
    synchronize()
    return time.time() - start


def _read_before_the_wait(work: Order, synchronize: Order) -> Any:
    synchronize()
    start = time.perf_counter()
    work()
    end = time.perf_counter()
    synchronize()
    return end - start


def _processor_time(work: Order, synchronize: Order) -> Any:
    synchronize()
    start = time.process_time()
    work()
    synchronize()
    return time.process_time() - start


def _milliseconds(work: Order, synchronize: Order) -> Any:
    return big_and_small(work, synchronize) * 1000


def _nanoseconds(work: Order, synchronize: Order) -> Any:
    synchronize()
    start = time.perf_counter_ns()
    work()
    synchronize()
    return time.perf_counter_ns() - start


def _backwards(work: Order, synchronize: Order) -> Any:
    return -big_and_small(work, synchronize)


def _not_divided(work: Order, synchronize: Order) -> Any:
    synchronize()
    start = time.perf_counter()
    for _ in range(3):
        work()
    synchronize()
    return time.perf_counter() - start


def _never_called(_: Order, synchronize: Order) -> Any:
    synchronize()
    start = time.perf_counter()
    synchronize()
    return time.perf_counter() - start


WRONG_ANSWERS = (
    WrongAnswer(_no_wait, "You never wait for the device", "On a CPU a call returns when its work is done."),
    WrongAnswer(_wait_before_only, "not for what was ordered", "The device is waited for once, at the start."),
    WrongAnswer(_wait_after_only, "still busy with earlier work", "A device is taken to be idle at the start."),
    WrongAnswer(_started_before_the_wait, "still busy with earlier work", "The first line starts the clock."),
    WrongAnswer(_read_before_the_wait, "it was read too early", "The clock is read right after the call."),
    WrongAnswer(_processor_time, "as time.process_time does", "process_time sounds like the time of a process."),
    WrongAnswer(_milliseconds, "That is in milliseconds", "Times of kernels are mostly told in milliseconds."),
    WrongAnswer(_nanoseconds, "That is in nanoseconds", "perf_counter_ns is the finest clock there is."),
    WrongAnswer(_backwards, "The seconds are negative", "start - end is quickly written."),
    WrongAnswer(_not_divided, "calls together", "Repeating makes a timing steadier, if it is divided at the end."),
    WrongAnswer(_never_called, "never called", "work is taken to be running already."),
)
