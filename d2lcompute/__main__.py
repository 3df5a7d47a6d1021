"""Run the doctor: ``python -m d2lcompute`` prints a line for each check, ``--json`` the same for programs.

Like the checks, this module imports the standard library alone: it has to start where torch does not.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path

from . import doctor
from .doctor import Finding

__all__ = ["CHECKS", "diagnose", "main"]

_COLOURS = {"OK": "\033[32m", "WARN": "\033[33m", "FAIL": "\033[31m"}


def _data_folder() -> Path:
    """Return the folder in which the exercises keep progress; a test compares it with theirs."""
    chosen = os.environ.get("D2LCOMPUTE_DATA")
    return Path(chosen or import_module("platformdirs").user_data_dir("d2lcompute", appauthor=False))


CHECKS: Mapping[str, Callable[[], Finding]] = {
    "Python": doctor.check_python,
    "torch": doctor.check_torch,
    "accelerators": doctor.check_accelerators,
    "d2lcompute": doctor.check_package,
    "numpy": partial(doctor.check_optional, "numpy", "2.0", "notebooks", "arrays in the notebooks"),
    "Jupyter": doctor.check_jupyter,
    "kernel": doctor.check_kernel,
    "matplotlib": partial(doctor.check_optional, "matplotlib", "3.9", "notebooks", "the figures"),
    "scikit-learn": partial(doctor.check_optional, "scikit-learn", "1.5", "beyond", "the digits of notebook 08"),
    "tensorboard": partial(doctor.check_optional, "tensorboard", "2.18", "beyond", "notebook 10"),
    "torchinfo": partial(doctor.check_optional, "torchinfo", "1.8", "beyond", "notebook 10"),
    "torchao": partial(doctor.check_optional, "torchao", "0.18", "beyond", "notebook 12"),
    "the book's package": doctor.check_book,
    "temporary folder": partial(
        doctor.check_folder, tempfile.gettempdir, "FAIL", "set TMPDIR (on Windows TEMP) to a folder of your own"
    ),
    "data folder": partial(
        doctor.check_folder, _data_folder, "WARN", "progress is not kept until this folder, in your home, is yours"
    ),
    "current folder": partial(
        doctor.check_folder, os.getcwd, "WARN", "change to a folder of your own before you start Jupyter"
    ),
}


def diagnose() -> dict[str, Finding]:
    """Run every check and return its finding by the check's name.

    A check that raises is a finding too: FAIL, with what it raised.

    Returns:
        name of the check → what it found, in the order of :data:`CHECKS`.
    """
    return {name: _examine(check) for name, check in CHECKS.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings to standard output.

    Args:
        arguments: the command line without the program's name; by default the process's own.

    Returns:
        The exit status: 1 if any check says FAIL, else 0.
    """
    parser = argparse.ArgumentParser(
        prog="python -m d2lcompute",
        description="Examine this machine: OK, WARN or FAIL for each check, what was found, and the remedy.",
        epilog="The exit status is 1 if any check says FAIL, else 0.",
    )
    parser.add_argument("--json", action="store_true", help="print an array of {name, status, found, remedy} instead")
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may hold what an ASCII terminal cannot show
    findings = diagnose()
    if options.json:
        text = json.dumps([{"name": name, **asdict(finding)} for name, finding in findings.items()], indent=2)
    else:
        coloured = _wants_colour()
        text = "\n".join(_line(name, finding, coloured) for name, finding in findings.items())
    print(text)
    return int(any(finding.status == "FAIL" for finding in findings.values()))


def _examine(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:
        found = f"this check could not be made: {type(error).__name__}: {error}"
        return Finding("FAIL", found, "mend what says FAIL in the other lines, then run the doctor again")


def _line(name: str, finding: Finding, coloured: bool) -> str:
    start, end = (_COLOURS[finding.status], "\033[0m") if coloured else ("", "")
    remedy = f" -> {finding.remedy}" if finding.remedy else ""
    text = " ".join(f"{name}: {finding.found}{remedy}".split())  # what an error says may hold line ends
    return f"{start}{finding.status:<4}{end}  {text}"


def _wants_colour() -> bool:
    """Colour is for people: on a terminal that shows it, and not for those who said no (no-color.org)."""
    refused = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    plain = os.name == "nt" and "WT_SESSION" not in os.environ  # the old console of Windows prints the codes
    return not (refused or plain or sys.stdout is None) and sys.stdout.isatty()


if __name__ == "__main__":
    sys.exit(main())
