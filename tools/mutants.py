"""Change the package in small ways, one at a time, and count the changes that its tests notice.

``python -m tools.mutants timing blocks`` takes the modules that are named, ``python -m tools.mutants`` all of them;
``docs/mutants.md`` gets a row for each as soon as it is done, and keeps what stands there of the others.

The changes are mutmut's. Its runner is not used: it puts all mutants of a function beside the function, so that sources
that the exercises show are others; it leaves out whatever has a decorator; and it starts pytest for each mutant. Here
pytest collects once, a process is forked for each mutant (so Linux or macOS), and the functions of that process get the
mutant's code. Only functions change: constants and tables of a module do not. No file is written but the report.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from tools.mutant_hunt import Hunt

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "docs" / "mutants.md"
CHECKPOINTS = ("tests/test_checkpoints.py", "tests/test_checkpoints_under_fire.py")
FIGURES = ("tests/test_figures.py", "tests/test_pretend_figures.py", "tests/test_timeline.py")
PRETEND = tuple(
    f"tests/test_{name}.py" for name in ("pretend", "pretend_clock", "pretend_coverage", "pretend_transfers")
)
TESTS = {  # where it is not tests/test_<module>.py
    "_container": CHECKPOINTS,
    "_restoring": CHECKPOINTS,
    "checkpoints": CHECKPOINTS,
    "_boxes": FIGURES,
    "_outline": FIGURES,
    "figures": FIGURES,
    "__main__": ("tests/test_main.py",),
    "doctor": ("tests/test_doctor.py", "tests/test_main.py"),
    "devices": ("tests/test_devices.py", "tests/test_pretend.py"),
    "pretend": PRETEND,
    # Without those that stop a thread: while the main thread is traced they never end.
    "exercises": ("tests/test_exercise_framework.py", "-k", "not in_a_thread"),
}
QUIET = ["-q", *(word for name in ("cacheprovider", "xdist", "nbval", "benchmark") for word in ("-p", f"no:{name}"))]


def modules() -> dict[str, list[Path]]:
    """Return the files of each row: a module, or a folder of exercises."""
    found = defaultdict(list)
    package = ROOT / "d2lcompute"
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if parts[-1] != "__init__":
            found[".".join(parts[:2])].append(path)
    return dict(found)


def tests_of(name: str) -> tuple[str, ...]:
    """Return what pytest is given to judge a row's mutants."""
    top, _, rest = name.partition(".")
    if top == "exercises" and not rest.startswith("_"):
        return ("tests/test_exercises.py", "-k", " or ".join(f"[{path.stem}" for path in modules()[name]))
    doctests = [f"d2lcompute/{name.replace('.', '/')}.py"] if not rest else []
    return (*TESTS.get(top, (f"tests/test_{top}.py",)), *doctests)


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt through the modules that are named; those with the same tests share one run of pytest."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__.split("\n\n")[0])
    parser.add_argument("modules", nargs="*", help="such as timing, pretend.clock, exercises._trial, exercises.gpu")
    parser.add_argument("--list", action="store_true", help="name the modules and stop")
    parser.add_argument("--share", type=float, default=1.0, help="draw this share of a module's mutants, from 0 to 1")
    parser.add_argument("--seed", type=int, default=0, help="what they are drawn with")
    parser.add_argument("--again", action="store_true", help="judge only what survived the last time")
    parser.add_argument("--slowest", type=float, default=3.0, help="leave out tests that take more seconds than this")
    parser.add_argument("--report", type=Path, default=REPORT, help="the file to keep up to date")
    parser.add_argument("--file", type=Path, help="judge this file instead, by the tests in --tests")
    parser.add_argument("--tests", nargs="+", help="what pytest is given; by default the module's own tests")
    options = parser.parse_args(arguments)
    files = {options.file.stem: [options.file.resolve()]} if options.file else modules()
    if options.list:
        print(*files, sep="\n")
        return 0
    if unknown := set(options.modules) - files.keys():
        parser.error(f"no such module: {', '.join(sorted(unknown))}; --list names them")
    sessions: dict[tuple[str, ...], dict[str, list[Path]]] = defaultdict(dict)
    for name in options.modules or files:
        sessions[tuple(options.tests or tests_of(name))][name] = files[name]
    return max(_session(tests, part, options) for tests, part in sessions.items())


def _session(tests: Sequence[str], files: dict[str, list[Path]], options: argparse.Namespace) -> int:
    """Run pytest in a process of its own, since it is made to run once in each."""
    if not (child := os.fork()):
        os.environ |= {"D2LCOMPUTE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
        with os.fdopen(os.dup(sys.stdout.fileno()), "w") as progress:
            hunt = Hunt(
                files,
                options.report,
                progress,
                share=options.share,
                seed=options.seed,
                slowest_seconds=options.slowest,
                again=options.again,
            )
            try:
                status = int(pytest.main([*QUIET, *tests], plugins=[hunt]))
            except BaseException as error:
                print(f"{type(error).__name__}: {error}", file=progress, flush=True)
                status = 2
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
