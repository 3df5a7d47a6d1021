"""The command ``d2lcompute``, or ``python -m d2lcompute``: examine this machine, start the course, grade, export.

Like the checks of the doctor, this module imports the standard library alone: it has to start where torch does not.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib import import_module

from ._translation import tr
from .doctor import Finding, diagnose

__all__ = ["main"]

_COLOURS = {"OK": "\033[32m", "WARN": "\033[33m", "FAIL": "\033[31m"}
_OPTIONAL = {"nbformat": "JupyterLab", "jinja2": "jinja2", "distributed": "distributed"}  # as they are called
_FOLDER = "deep-learning-computation"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; without a command, examine this machine.

    Args:
        arguments: the command line without the program's name; by default the process's own.

    Returns:
        The exit status: 0 if all is well.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold what an ASCII terminal cannot show
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="d2lcompute",
        description="The companion to the chapter 'deep learning computation' of Dive into Deep Learning.",
        epilog="Without a command, d2lcompute examines this machine. Each command has a --help of its own.",
    )
    parser.add_argument("--json", action="store_true", help="as in d2lcompute doctor --json")
    parser.set_defaults(run=_examine)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    start = commands.add_parser(
        "start",
        help="write your copy of the course, or bring it up to date, and open it",
        description="Write your own copy of the course into a folder, without outputs, and open it in JupyterLab. "
        "A copy that is there is brought up to date: what you changed, added or took out stays as it is.",
    )
    start.add_argument("folder", nargs="?", default=_FOLDER, help=f"the folder of your copy (default: {_FOLDER})")
    start.add_argument(
        "--lang", metavar="LANGUAGE", help="the course's language (default: your copy's, else your system's)"
    )
    start.add_argument("--no-lab", action="store_true", help="only write; do not open JupyterLab")
    start.set_defaults(run=_start)

    _add_grade(commands)
    _add_export(commands)

    doctor = commands.add_parser(
        "doctor",
        help="examine this machine: what it has, what it lacks, and the remedy",
        description="Examine this machine: OK, WARN or FAIL for each check, what was found, and the remedy.",
        epilog="The exit status is 1 if any check says FAIL, else 0.",
    )
    doctor.add_argument(
        "--json",
        action="store_true",
        default=argparse.SUPPRESS,  # it may stand before the command
        help="print an array of {name, status, found, remedy} instead",
    )
    return parser


def _add_grade(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of a teacher."""
    grade = commands.add_parser(
        "grade",
        help="check a class of submissions, each learner's in a process that is shut in",
        description="Check every answer in a folder of submissions: a notebook a learner, a folder a learner, or "
        "nbgrader's or Moodle's tree. Writes grades.csv, grades.json, summary.html and a feedback page a learner.",
        epilog="Stopped or killed, the same command goes on where it was. docs/teaching.md says what is confined.",
    )
    grade.add_argument("folder", help="the folder with the submissions")
    grade.add_argument("--out", metavar="FOLDER", help="where to write (default: grades/ beside the submissions)")
    grade.add_argument("--notebooks", nargs="+", metavar="NAME", help="count the exercises of these, as 01_blocks")
    grade.add_argument(
        "--points", metavar="FILE", help="a TOML file, exercise = points (default: the difficulty, 1 to 5)"
    )
    grade.add_argument("--jobs", type=_at_least_one, default=os.cpu_count() or 1, help="how many at a time")
    grade.add_argument("--whole", action="store_true", help="run each cell before an answer, not only what it needs")
    grade.add_argument("--scheduler", metavar="ADDRESS", help="a dask.distributed cluster, as tcp://127.0.0.1:8786")
    grade.set_defaults(run=_grade)


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command of a teacher who has a tool already."""
    export = commands.add_parser(
        "export",
        help="write the exercises as assignments of nbgrader or Otter-Grader",
        description="Write the exercises as assignments of nbgrader or Otter-Grader, one for each notebook, with their "
        "solutions: the tool makes the learners' version.",
        epilog="The tool need not be installed here. docs/teaching.md says how the grades compare.",
    )
    form = export.add_mutually_exclusive_group(required=True)
    form.add_argument("--nbgrader", metavar="FOLDER", help="write nbgrader's source folder and its settings")
    form.add_argument("--otter", metavar="FOLDER", help="write the notebooks that `otter assign` takes")
    export.add_argument("--notebooks", nargs="+", metavar="NAME", help="export these, as 01_blocks (default: all)")
    export.add_argument("--lang", metavar="LANGUAGE", default="en", help="the tasks' language (default: en)")
    export.set_defaults(run=_export)


def _at_least_one(text: str) -> int:
    """Read a number of jobs."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number of at least 1; got {text!r}")
    return int(text)


def _grade(options: argparse.Namespace) -> int:
    """Grade a class."""
    return _done("grade", "teach", lambda: import_module("d2lcompute.grading.command").run(options))


def _export(options: argparse.Namespace) -> int:
    """Export the exercises."""
    return _done("export", "notebooks", lambda: import_module("d2lcompute.exporting.command").run(options))


def _start(options: argparse.Namespace) -> int:
    """Write the learner's copy, say what was done, and open it."""
    given = options.folder, options.lang
    return _done(
        "start",
        "notebooks",
        lambda: import_module("d2lcompute.course.starting").start(*given, open_lab=not options.no_lab),
    )


def _done(command: str, extra: str, work: Callable[[], int]) -> int:
    """Do a command's work and return its exit status; where one of its libraries is missing, say how to get it."""
    try:
        return int(work())
    except ModuleNotFoundError as error:
        if error.name not in _OPTIONAL:
            raise
        install = f'"{sys.executable}" -m pip install "d2lcompute[{extra}]"'
        print(f"d2lcompute {command}: {_OPTIONAL[error.name]} is not installed: {install}", file=sys.stderr)
        return 1


def _examine(options: argparse.Namespace) -> int:
    """Print the findings of the doctor; 1 if any says FAIL."""
    findings = diagnose()
    if options.json:
        text = json.dumps([{"name": name, **asdict(finding)} for name, finding in findings.items()], indent=2)
    else:
        coloured = _wants_colour()
        text = "\n".join(_line(name, finding, coloured) for name, finding in findings.items())
    print(text)
    return int(any(finding.status == "FAIL" for finding in findings.values()))


def _line(name: str, finding: Finding, coloured: bool) -> str:
    start, end = (_COLOURS[finding.status], "\033[0m") if coloured else ("", "")
    remedy = f" -> {finding.remedy}" if finding.remedy else ""
    text = " ".join(f"{tr(name)}: {finding.found}{remedy}".split())  # what an error says may hold line ends
    return f"{start}{finding.status:<4}{end}  {text}"


def _wants_colour() -> bool:
    """Colour is for people: on a terminal that shows it, and not for those who said no (no-color.org)."""
    refused = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    plain = os.name == "nt" and "WT_SESSION" not in os.environ  # the old console of Windows prints the codes
    return not (refused or plain or sys.stdout is None) and sys.stdout.isatty()


if __name__ == "__main__":
    sys.exit(main())
