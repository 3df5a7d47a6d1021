"""The report of ``tools.mutants``: a row for each module, and a line of explanation for each change that survived.

The file is read before it is written: rows of other modules stay, and so does what somebody wrote under a survivor.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

UNEXPLAINED = "not explained yet"
HEAD = """\
# Mutants

`python -m tools.mutants` changes the package's functions, one small change (a mutant) at a time, and runs the tests
that reach the changed line. Killed: a test failed. Timeout: the tests did not end within five seconds and three times
their usual time; this counts as noticed. Survived: all passed; each survivor stands below, with the reason why it may.
The figures and the survivors are written by the command, the reasons by hand; they stay when a module is judged anew.
The seconds are those of one run on two busy cores.

The changes are those of mutmut 3.8 in bodies and defaults of functions, also of those with decorators. Constants and
tables at the top of a module and in the bodies of classes are not changed, as in mutmut. Of an exercise's file, only
the requirements, the solution and what these use are changed. Slow tests are left out (those over three seconds, or
over what `--slowest` said), and no test that starts a new Python process can notice a change: both make survivors,
never kills. Where a seed stands in the table, so many of the module's mutants were drawn with it (`--share`, `--seed`).
A module without a row has not been judged yet; `--list` names them all. A row may be older than the code: `--again`
judges anew what had survived, and all of a module whose number of mutants has changed.
The rows so far were judged with `--slowest` between 0.3 and 6 seconds; later rounds ran over what had survived, some
with the tests alone that were written for it.
"""
COLUMNS = ("module", "mutants", "of", "seed", "killed", "timeouts", "survived", "explained", "noticed", "seconds")
_ROW = r"^\| `(\S+)` \| (\d+) \| (\d+) \| (\w+) \| (\d+) \| (\d+) \|.* (\d+) \|$"
GROUPS: dict[str, Callable[[str], object]] = {
    "the package without exercises": lambda name: not name.startswith("exercises."),
    "exercises: the framework": lambda name: name.startswith("exercises._"),
    "exercises: their files": lambda name: re.match(r"exercises\.[a-z]", name),
}


@dataclass(frozen=True)
class Row:
    """What came of one module's mutants."""

    name: str
    found: int
    mutants: int
    killed: int
    timeouts: int
    survivors: tuple[str, ...]
    seconds: int
    seed: int | None = None

    def with_survivors(self, survivors: tuple[str, ...], *, more_timeouts: int, more_seconds: int) -> "Row":
        """Return the row after those that had survived were judged again."""
        timeouts = self.timeouts + more_timeouts
        killed = self.mutants - timeouts - len(survivors)
        seconds = self.seconds + more_seconds
        return replace(self, killed=killed, timeouts=timeouts, survivors=survivors, seconds=seconds)


def read(path: Path) -> dict[str, Row]:
    """Return the rows of a report by their modules."""
    return {row.name: row for row in _rows(path.read_text("utf-8") if path.exists() else "")}


def write(path: Path, row: Row) -> None:
    """Put a module's row and its survivors into the report, and leave the rest as it is."""
    text = path.read_text("utf-8") if path.exists() else ""
    reasons = dict(_reasons(text))
    rows = read(path) | {row.name: row}
    path.write_text("\n".join(_lines([rows[name] for name in sorted(rows)], reasons)) + "\n", "utf-8")


def _lines(rows: list[Row], reasons: dict[tuple[str, str], str]) -> Iterator[str]:
    yield HEAD
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---|" + "---:|" * (len(COLUMNS) - 1)
    for row in rows:
        yield _line(f"`{row.name}`", [row], reasons, seed="all" if row.seed is None else str(row.seed))
    for title, belongs in GROUPS.items():
        if chosen := [row for row in rows if belongs(row.name)]:
            yield _line(f"**{title}**", chosen, reasons)
    for row in rows:
        if row.survivors:
            yield f"\n## {row.name}\n"
        for survivor in row.survivors:
            yield f"- {survivor}\n  {reasons.get((row.name, survivor), UNEXPLAINED)}"


def _line(title: str, rows: Iterable[Row], reasons: dict[tuple[str, str], str], seed: str = "") -> str:
    """Sum up some rows in one line of the table."""
    rows = list(rows)
    mutants, killed, timeouts = (sum(getattr(row, each) for row in rows) for each in ("mutants", "killed", "timeouts"))
    survivors = [(row.name, survivor) for row in rows for survivor in row.survivors]
    explained = sum(reasons.get(each, UNEXPLAINED) != UNEXPLAINED for each in survivors)
    noticed = f"{(killed + timeouts) / mutants:.1%}" if mutants else "–"
    found, seconds = (sum(getattr(row, each) for row in rows) for each in ("found", "seconds"))
    cells = (title, mutants, found, seed, killed, timeouts, len(survivors), explained, noticed, seconds)
    return f"| {' | '.join(map(str, cells))} |"


def _rows(text: str) -> Iterator[Row]:
    survivors: dict[str, list[str]] = {}
    for (name, survivor), _ in _reasons(text):
        survivors.setdefault(name, []).append(survivor)
    for name, *cells in re.findall(
        r"^\| `(\S+)` \| (\d+) \| (\d+) \| (\w+) \| (\d+) \| (\d+) \|.* (\d+) \|$", text, re.M
    ):
        mutants, found, killed, timeouts, seconds = (int(cells[each]) for each in (0, 1, 3, 4, 5))
        seed = None if cells[2] == "all" else int(cells[2])
        yield Row(name, found, mutants, killed, timeouts, tuple(survivors.get(name, ())), seconds, seed)


def _reasons(text: str) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield each survivor, with its module, and what is said of it."""
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        name = section.split("\n", 1)[0]
        for survivor, reason in re.findall(r"^- (.*)\n  (.*)$", section, re.M):
            yield (name, survivor), reason
