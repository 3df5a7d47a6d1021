"""What a lap costs, and whether our timers agree with torch's."""

import statistics
import time
from typing import Any

import torch
from torch.utils.benchmark import Timer as TorchTimer

from benchmarks.comparing import Comparison, compare
from benchmarks.conftest import Record
from d2lcompute import Timer
from d2lcompute import benchmark as measure

ROUNDS, BLOCK_SECONDS = 101, 0.005


def bare() -> None:
    """Read the clock twice."""
    time.perf_counter()
    time.perf_counter()


def bench_lap(benchmark: Any, record: Record) -> None:
    """A lap of ours against the bare clock."""
    lap(benchmark, record, "lap", Timer())


def bench_lap_of_the_book(benchmark: Any, record: Record) -> None:
    """A lap of d2l's timer, which waits for nothing, against the bare clock."""
    from d2lcompute.interop import load_d2l

    try:
        timer = load_d2l().Timer()
    except ImportError:
        benchmark.pedantic(lambda: None)
        record("lap d2l", None, "d2l is not installed here")
    else:
        lap(benchmark, record, "lap d2l", timer)


def lap(benchmark: Any, record: Record, name: str, timer: Any) -> None:
    """Compare a lap with two readings of the clock."""

    def ours() -> None:
        timer.start()
        timer.stop()

    comparison = compare(benchmark, ours, bare, rounds=ROUNDS, block_seconds=BLOCK_SECONDS)
    extra = [own - other for own, other in zip(comparison.ours, comparison.theirs, strict=True)]
    record(name, statistics.median(extra) * 1e9, str(comparison))


def bench_accuracy(benchmark: Any, record: Record) -> None:
    """One product, timed by torch.utils.benchmark and by `Timer`; then by both that repeat until they are sure."""
    X = torch.randn(512, 512)
    reference, timer = TorchTimer("X @ X", globals={"X": X}), Timer()
    once = Comparison([], [])
    repeated = Comparison([], [])

    def turn() -> None:
        once.theirs.append(reference.timeit(1).median)
        timer.start()
        X @ X
        once.ours.append(timer.stop())
        repeated.theirs.append(reference.blocked_autorange(min_run_time=BLOCK_SECONDS).median)
        repeated.ours.append(measure(torch.mm, X, X, min_run_seconds=BLOCK_SECONDS).median_seconds)

    benchmark.pedantic(turn, rounds=ROUNDS)
    record("accuracy", abs(once.ratio - 1) * 100, str(once))
    record("accuracy benchmark", abs(repeated.ratio - 1) * 100, str(repeated))
