"""The report: rows that were measured, joined with the lines, as a table of Markdown."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lines import LINES, Line

__all__ = ["PAGE", "Row", "machine", "page", "summary", "table", "verdict"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
_HEAD = ["| what | line | measured | absolute | |", "|---|---:|---:|---|---|"]


@dataclass(frozen=True)
class Row:
    """What came of one line.

    Attributes:
        name: the line's name.
        measured: the number to hold against it, in its unit; None if it could not be measured.
        absolute: the numbers behind it, or why there are none.
    """

    name: str
    measured: float | None
    absolute: str


def verdict(line: Line, row: Row | None) -> str:
    """Say whether a line is met, and if not, why."""
    if row is None or row.measured is None:
        return "not measured"
    if line.at_most is None:
        return ""
    if row.measured <= line.at_most:
        return "met"
    return f"**MISSED**: {line.reason or 'the reason is not known yet'}"


def table(rows: Sequence[Row], lines: Mapping[str, Line] = LINES, *, whole: bool = True) -> list[str]:
    """Return the table as lines of Markdown, in the order of ``lines``.

    Args:
        rows: what was measured.
        lines: all lines, by name.
        whole: also show the lines that nothing was measured for.
    """
    found = {row.name: row for row in rows}
    text: list[str] = []
    section = ""
    for name, line in lines.items():
        row = found.get(name)
        if row is None and not whole:
            continue
        if line.section != section:
            section = line.section
            text += ["", f"## {section}", "", *_HEAD]
        limit = "" if line.at_most is None else _number(line.at_most, line)
        measured = "" if row is None or row.measured is None else _number(row.measured, line)
        absolute = row.absolute if row else "it was not run"
        text.append(f"| {line.what} | {limit} | {measured} | {absolute} | {verdict(line, row)} |")
    return text


def summary(rows: Sequence[Row], lines: Mapping[str, Line] = LINES) -> str:
    """Count the lines that are met, missed and not measured."""
    found = {row.name: row for row in rows}
    verdicts = [verdict(line, found.get(name)) for name, line in lines.items() if line.at_most is not None]
    met, unmeasured = verdicts.count("met"), verdicts.count("not measured")
    missed = len(verdicts) - met - unmeasured
    return f"{met} of {len(verdicts)} lines are met, {missed} missed, {unmeasured} not measured."


def page(rows: Sequence[Row], machine: str, lines: Mapping[str, Line] = LINES) -> str:
    """Return the whole page."""
    return "\n".join([*_INTRODUCTION, "", machine, "", f"**{summary(rows, lines)}**", *table(rows, lines)]) + "\n"


def machine() -> str:
    """Describe what the numbers depend on, but for the machine's name."""
    from torch import __version__ as torch_version

    return (
        f"Measured with torch {torch_version} and Python {platform.python_version()} on {platform.system()} "
        f"({platform.machine()}), {os.cpu_count()} cores, one thread, no accelerator."
    )


def _number(value: float, line: Line) -> str:
    digits = 2 if line.unit == "×" else 0 if value >= 100 or value == int(value) else 1
    while line.at_most is not None and round(value, digits) <= line.at_most < value:
        digits += 1  # a number that misses its line shall not look as if it met it
    return f"{value:,.{digits}f} {line.unit}"


_INTRODUCTION = """# Benchmarks

This page is written by `make bench`; `python -m benchmarks --only import` measures a part and prints it. A ratio is
ours over theirs: below 1, ours is quicker. The two take turns in one run, and the ratio is the median over the rounds
of each round's own ratio, so that a busy moment does not decide. The absolute numbers are medians, ours against theirs.
A line is what was promised before it was measured; where there is none, the number is told and nothing was promised.
A line that is missed says so, with what a profiler found.
""".splitlines()
