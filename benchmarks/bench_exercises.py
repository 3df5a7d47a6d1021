"""How long an exercise's answer is looked at before the learner hears what came of it."""

import statistics
import time
from typing import Any

from benchmarks.conftest import Record
from d2lcompute.exercises.checking.examine import examine
from d2lcompute.exercises.registry import find, names

CHECKS = 3


def seconds_of_check(name: str) -> float:
    """Return the median time of a check that passes; the first, which imports, is not counted."""
    exercise = find(name)
    times = []
    for _ in range(CHECKS + 1):
        start = time.perf_counter()
        result = examine(exercise, exercise.solution)
        times.append(time.perf_counter() - start)
        assert result, result.message
    return statistics.median(times[1:])


def bench_checks(benchmark: Any, record: Record) -> None:
    """Check the solution of every exercise."""
    every = [name for exercises in names().values() for name in exercises]

    times = benchmark.pedantic(lambda: {name: seconds_of_check(name) for name in every})
    slowest = sorted(times, key=times.__getitem__, reverse=True)
    record("check", statistics.median(times.values()) * 1000, f"{len(every)} exercises, {CHECKS} checks of each")
    others = ", ".join(f"`{name}` {times[name] * 1000:.0f} ms" for name in slowest[1:4])
    record("slowest check", times[slowest[0]] * 1000, f"`{slowest[0]}`; then {others}")
