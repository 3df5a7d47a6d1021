"""The report: rows that were measured, joined with the targets, as a table of Markdown."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.targets import TARGETS, Target

__all__ = ["Row", "machine", "report", "summary", "table", "verdict"]

_HEAD = ["| what | target | measured | absolute | |", "|---|---:|---:|---|---|"]


@dataclass(frozen=True)
class Row:
    """What came of one measurement.

    Attributes:
        name: the target's name.
        measured: the number to hold against it, in its unit; None if it could not be measured.
        absolute: the numbers behind it, or why there are none.
    """

    name: str
    measured: float | None
    absolute: str


def verdict(target: Target, row: Row | None) -> str:
    """Say whether a target is met, and if not, why."""
    if row is None or row.measured is None:
        return "not measured"
    if target.at_most is None:
        return ""
    if row.measured <= target.at_most:
        return "met"
    return f"**MISSED**: {target.reason or 'the reason is not known yet'}"


def table(rows: Sequence[Row], targets: Mapping[str, Target] = TARGETS, *, whole: bool = True) -> list[str]:
    """Return the table as lines of Markdown, in the order of ``targets``.

    Args:
        rows: what was measured.
        targets: all targets, by name.
        whole: also show the targets that nothing was measured for.
    """
    found = {row.name: row for row in rows}
    text: list[str] = []
    section = ""
    for name, target in targets.items():
        row = found.get(name)
        if row is None and not whole:
            continue
        if target.section != section:
            section = target.section
            text += ["", f"## {section}", "", *_HEAD]
        limit = "" if target.at_most is None else _number(target.at_most, target)
        measured = "" if row is None or row.measured is None else _number(row.measured, target)
        absolute = row.absolute if row else "it was not run"
        text.append(f"| {target.what} | {limit} | {measured} | {absolute} | {verdict(target, row)} |")
    return text


def summary(rows: Sequence[Row], targets: Mapping[str, Target] = TARGETS) -> str:
    """Count the targets that are met, missed and not measured."""
    found = {row.name: row for row in rows}
    verdicts = [verdict(target, found.get(name)) for name, target in targets.items() if target.at_most is not None]
    met, unmeasured = verdicts.count("met"), verdicts.count("not measured")
    missed = len(verdicts) - met - unmeasured
    return f"{met} of {len(verdicts)} targets are met, {missed} missed, {unmeasured} not measured."


def report(rows: Sequence[Row], machine: str, targets: Mapping[str, Target] = TARGETS) -> list[str]:
    """Return what stands in the page: on what it was measured, how many targets are met, and the table."""
    return [machine, "", f"**{summary(rows, targets)}**", *table(rows, targets)]


def machine() -> str:
    """Describe what the numbers depend on, but for the machine's name."""
    from torch import __version__ as torch_version

    return (
        f"Measured with torch {torch_version} and Python {platform.python_version()} on {platform.system()} "
        f"({platform.machine()}), {os.cpu_count()} cores, one thread, no accelerator."
    )


def _number(value: float, target: Target) -> str:
    digits = 2 if target.unit == "×" else 0 if value >= 100 or value == int(value) else 1
    while target.at_most is not None and round(value, digits) <= target.at_most < value:
        digits += 1  # a number that misses its target shall not look as if it met it
    return f"{value:,.{digits}f} {target.unit}"
