"""How long a check takes: the median over a few checks of each solution, the slowest ten first.

Run ``python benchmarks/bench_exercises.py``, or name some exercises after it. The aim is 0.3 seconds, except where an
exercise trains.
"""

import statistics
import sys
import time

from d2lcompute.exercises._check import examine
from d2lcompute.exercises._registry import find, names

AIM_SECONDS = 0.3
CHECKS = 5
SHOWN = 10


def seconds_of_check(name: str) -> float:
    """Return the median time of a check that passes; the first, which imports, is not counted."""
    exercise = find(name)
    times = []
    for _ in range(CHECKS + 1):
        start = time.perf_counter()
        result = examine(exercise, exercise.solution)
        times.append(time.perf_counter() - start)
        if not result:
            raise AssertionError(result.message)
    return statistics.median(times[1:])


def main(chosen: list[str]) -> None:
    """Print the slowest ten."""
    everything = chosen or [name for exercises in names().values() for name in exercises]
    times = sorted(((seconds_of_check(name), name) for name in everything), reverse=True)
    for seconds, name in times[:SHOWN]:
        print(f"{name:<28} {seconds * 1000:8.1f} ms{'  slower than aimed at' if seconds > AIM_SECONDS else ''}")
    print(f"{len(times)} exercises, median {statistics.median(seconds for seconds, _ in times) * 1000:.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1:])
