"""What an import costs: fresh processes in turn, each of which imports torch before it looks at the clock."""

import statistics
import subprocess
import sys
from typing import Any

from benchmarks.comparing import duration
from benchmarks.conftest import Record

ROUNDS = 7
OURS = """
import time
start = time.perf_counter(); import torch
torch_there = time.perf_counter(); import d2lcompute
ours_there = time.perf_counter(); d2lcompute.pretend_gpus
print(torch_there - start, ours_there - torch_there, time.perf_counter() - ours_there)
"""
THEIRS = """
import time, torch
from d2lcompute.interop import load_d2l
start = time.perf_counter(); load_d2l()
print(time.perf_counter() - start)
"""


def run(program: str) -> list[float]:
    """Return the seconds that a program in a new process prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    return [float(word) for word in done.stdout.split()]


def bench_import(benchmark: Any, record: Record) -> None:
    """`import d2lcompute` against `import torch`, and the book's package against both."""
    found: list[list[float]] = []
    theirs: list[float] = []

    def turn() -> None:
        found.append(run(OURS))
        try:
            theirs.extend(run(THEIRS))
        except subprocess.CalledProcessError as error:
            if "ImportError" not in error.stderr:
                raise

    benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    there, ours, pretend = (statistics.median(column) for column in zip(*found[1:], strict=True))
    record("import", ours * 1000, f"`import torch` itself: {duration(there)}")
    record("import pretend", pretend * 1000, "once in a process")
    book = statistics.median(theirs[1:]) if theirs else None
    record("import d2l", book and book * 1000, f"{book / ours:.0f} times ours" if book else "d2l is not installed here")
