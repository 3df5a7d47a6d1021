"""Run the doctor: ``python -m d2lcompute`` prints a line for each check, ``--json`` the same for programs.

Like the checks, this module imports the standard library alone: it has to start where torch does not.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from .doctor import Finding, diagnose

__all__ = ["main"]

_COLOURS = {"OK": "\033[32m", "WARN": "\033[33m", "FAIL": "\033[31m"}


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
