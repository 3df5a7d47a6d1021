"""Run the whole suite: unit tests, doctests, and every stored output of the notebooks compared with a fresh run.

``python -m tools.suite`` (``make test`` runs it after ruff and mypy) hides accelerators and gives each process one
thread, so that stored outputs hold on every machine. What stands after ``--`` is handed to pytest instead of the whole
suite: ``python -m tools.suite -- tests/test_blocks.py -x``.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tools.messages import compile_all

__all__ = ["WHOLE", "Case", "cases", "environment", "pytest_command"]

ROOT = Path(__file__).resolve().parent.parent
WHOLE = ("tests", "d2lcompute", "tools", "notebooks")


@dataclass(frozen=True)
class Case:
    """A test, or a cell of a notebook, in a report of pytest.

    Attributes:
        group: the file, with dots in place of slashes, or the notebook's path.
        name: the test's name, or ``Cell 3``.
        outcome: ``passed``, ``failed`` or ``skipped``.
        reason: what failed, as pytest tells it.
    """

    group: str
    name: str
    outcome: str
    reason: str = ""

    @property
    def is_cell(self) -> bool:
        """Whether it is a cell of a notebook."""
        return self.name.startswith("Cell ")


def pytest_command(
    *arguments: str | Path, python: str | Path = sys.executable, jobs: int = 1, compared: bool = True
) -> list[str]:
    """Return the command that runs tests and validates notebooks.

    Args:
        arguments: options of pytest, files and folders.
        python: the interpreter.
        jobs: how many processes; the cells of a notebook stay in one.
        compared: compare the notebooks' outputs; else they are run, with their own checks.
    """
    parallel = ["-n", str(jobs), "--dist", "loadfile", "--no-loadscope-reorder"] if jobs > 1 else ["-n", "0"]
    nbval = "--nbval" if compared else "--nbval-lax"
    return list(map(str, [python, "-m", "pytest", *parallel, nbval, *arguments]))


def environment() -> dict[str, str]:
    """Return the environment in which stored outputs hold: no accelerator, and one thread for each process."""
    return {**os.environ, "D2LCOMPUTE_DEVICE": "cpu", "D2LCOMPUTE_LANG": "en", "OMP_NUM_THREADS": "1"}


def cases(report: Path) -> Iterator[Case]:
    """Read a report that pytest wrote with ``--junitxml``; nothing if it wrote none."""
    if not report.is_file():
        return
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  # pytest has just written it
        found = next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
        outcome = "passed" if found is None else "skipped" if found.tag == "skipped" else "failed"
        reason = "" if found is None else found.text or ""
        yield Case(case.get("classname", ""), case.get("name", ""), outcome, reason)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run pytest, and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.suite", description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=2, help="how many processes (default: 2)")
    parser.add_argument("arguments", nargs="*", help="for pytest, after --; by default the whole suite")
    options = parser.parse_args(arguments)
    compile_all()  # a catalogue that came with the last pull is spoken at once
    command = pytest_command(*(options.arguments or WHOLE), jobs=options.jobs)
    return subprocess.call(command, cwd=ROOT, env=environment())


if __name__ == "__main__":
    sys.exit(main())
