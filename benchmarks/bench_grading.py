"""How fast a class is graded: against nbgrader on the same notebooks, with a second worker, and a thousand submissions.

D2LCOMPUTE_BENCH_SUBMISSIONS takes a smaller class for a first look.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest

from benchmarks.comparing import compare, ratio
from benchmarks.conftest import Record
from d2lcompute.__main__ import main
from d2lcompute.exercises.learner.help import source_of
from d2lcompute.exercises.registry import find, names

ROOT = Path(__file__).resolve().parent.parent
NBGRADER = ROOT / ".venv-teach" / "bin" / "nbgrader"
NOTEBOOK = "01_blocks"
MOST = int(os.environ.get("D2LCOMPUTE_BENCH_SUBMISSIONS", "1000"))
BESIDE_NBGRADER, FOR_WORKERS, MANY = min(40, MOST), min(200, MOST), MOST
PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def run(command: Sequence[str | Path], *, cwd: Path | None = None) -> str:
    """Run a command that has to succeed, and return what it prints."""
    path = os.pathsep.join([str(NBGRADER.parent), os.environ["PATH"]])  # nbgrader looks for alembic there
    environment = {**os.environ, "PATH": path, "D2LCOMPUTE_DATA": os.devnull}
    done = subprocess.run(  # noqa: S603  (our own command)
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def grading(submitted: Path, out: Path, *, jobs: int) -> list[str]:
    """Return the command that grades a folder of submissions."""
    options = ("--out", out, "--notebooks", NOTEBOOK, "--jobs", jobs)
    return list(map(str, (sys.executable, "-m", "d2lcompute", "grade", submitted, *options)))


def hand_in(version: Path, submitted: Path, count: int) -> Path:
    """Write submissions in nbgrader's tree: most answers right, some wrong, some untouched, no two notebooks alike."""
    chance = random.Random(0)  # noqa: S311  (no secret)
    notebook = nbformat.read(version, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    for number in range(count):
        for name in names()[NOTEBOOK]:
            exercise, learner = find(name), f"# learner {number}\n"
            right = source_of(exercise)
            kinds = (right, right.replace("return ", "").replace("True", "False"), exercise.stub.strip())
            answer = chance.choices(kinds, weights=(7, 2, 1))[0]
            cells[f"exercise-{name.replace('_', '-')}-stub"].source = learner + answer
        path = submitted / f"learner-{number:04}" / NOTEBOOK / version.name
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    return submitted


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """The course as nbgrader has it; where nbgrader is missing, learners get the version with the solutions."""
    folder = tmp_path / "course"
    assert main(["export", "--nbgrader", str(folder), "--notebooks", NOTEBOOK]) == 0
    if NBGRADER.exists():
        run([NBGRADER, "generate_assignment", NOTEBOOK], cwd=folder)
    return folder


def version_in(course: Path) -> Path:
    """Return the notebook that is handed out."""
    kind = "release" if NBGRADER.exists() else "source"
    return course / kind / NOTEBOOK / f"{NOTEBOOK}.ipynb"


def a_minute(count: int, seconds: float) -> str:
    """Say how many submissions a minute that is."""
    return f"{60 * count / seconds:,.0f}"


def bench_grading_against_nbgrader(benchmark: Any, record: Record, course: Path, tmp_path: Path) -> None:
    """The same notebooks, one process each: `nbgrader autograde`, then `d2lcompute grade`."""
    if not NBGRADER.exists():
        benchmark.pedantic(lambda: None)
        record("grading nbgrader", None, "nbgrader is not installed here; `make test-teach` installs it")
        return
    count = BESIDE_NBGRADER
    submitted = hand_in(version_in(course), course / "submitted", count)
    comparison = compare(
        benchmark,
        lambda: run(grading(submitted, tmp_path / "grades", jobs=1)),
        lambda: run([NBGRADER, "autograde", NOTEBOOK], cwd=course),
        rounds=1,
        warmup_rounds=0,
    )
    ours, theirs = a_minute(count, comparison.ours[0]), a_minute(count, comparison.theirs[0])
    words = f"{ours} submissions a minute against {theirs}, {1 / comparison.ratio:.1f} times; {count} submissions"
    record("grading nbgrader", 100 * comparison.ratio, f"{words} of {len(names()[NOTEBOOK])} exercises, {comparison}")


def bench_grading_workers(benchmark: Any, record: Record, course: Path, tmp_path: Path) -> None:
    """Two workers against one, in turn."""
    count = FOR_WORKERS
    submitted = hand_in(version_in(course), course / "submitted", count)
    fresh = (tmp_path / f"grades-{number}" for number in range(100))
    comparison = compare(
        benchmark,
        lambda: run(grading(submitted, next(fresh), jobs=2)),
        lambda: run(grading(submitted, next(fresh), jobs=1)),
        rounds=3 if count > 50 else 1,
        warmup_rounds=0,
    )
    times = 1 / ratio(comparison.ours, comparison.theirs)
    record("grading workers", 100 * comparison.ratio, f"{times:.2f} times as many; {count} submissions, {comparison}")


def bench_grading_many(benchmark: Any, record: Record, course: Path, tmp_path: Path) -> None:
    """A thousand submissions with two workers, and the largest process's memory beside that for a tenth of them."""
    submitted = hand_in(version_in(course), course / "submitted", MANY)
    tenth = hand_in(version_in(course), tmp_path / "tenth", max(MANY // 10, 1))

    def peak(folder: Path, out: str) -> int:
        return int(run([sys.executable, "-c", PEAK, *grading(folder, tmp_path / out, jobs=2)]))

    few = peak(tenth, "few")
    started = time.perf_counter()
    many = benchmark.pedantic(peak, args=(submitted, "many"), rounds=1)
    seconds = time.perf_counter() - started
    words = f"{a_minute(MANY, seconds)} submissions a minute; {MANY} of {len(names()[NOTEBOOK])} exercises"
    whole = MANY == 1000  # a first look at fewer is no measurement of the target
    record("grading many", seconds if whole else None, f"{words}, {seconds:.0f} s")
    record("grading memory", many / few if whole else None, f"{many / 1024:.0f} MiB against {few / 1024:.0f}")
