"""Alter each stored output of the notebooks once, and see that validation fails: there, and nowhere else.

``python -m tools.evidence.alter`` makes copies of each notebook; in the k-th copy the k-th part of each output is
altered. nbval validates each copy as ``make test`` does, and the cells that fail must be exactly those that were
altered. Exit status 1 if one alteration goes unseen, or if a cell fails that was left alone.
"""

import argparse
import copy
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.v4 import new_output

from tools import suite
from tools.evidence import page

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
IMAGES = frozenset({"image/png", "image/jpeg"})  # nbval compares neither

Cell = nbformat.NotebookNode


@dataclass(frozen=True)
class Alteration:
    """One change to one cell.

    Args:
        cell: the cell's number among the code cells, as nbval counts them.
        part: what was altered, such as ``"text/plain"`` or ``"error name"``.
        kind: how, such as ``"a digit"``.
        result: the cell after it.
    """

    cell: int
    part: str
    kind: str
    result: Cell


@dataclass
class Tally:
    """What came of one notebook, or of all.

    Attributes:
        altered: how often each (part, kind) was altered.
        seen: how often validation failed at an altered cell.
        images: how many images there are, which are not compared.
        problems: what should not be, a line each.
    """

    altered: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    images: int = 0
    problems: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add the figures of another one."""
        self.altered += other.altered
        self.seen += other.seen
        self.images += other.images
        self.problems += other.problems


def alter_text(text: str, dice: random.Random) -> tuple[str, str]:
    """Change as little as possible in a text: return the kind of change, and the text after it."""
    possible = {kind: changed for kind, change in _KINDS.items() if (changed := change(text, dice)) is not None}
    return dice.choice(list(possible.items()))


def alterations(number: int, cell: Cell, dice: random.Random) -> Iterator[Alteration]:
    """Yield the alterations of one cell: each text once, each output removed, one added, an expected error gone."""
    for i, output in enumerate(cell.outputs):
        for part, keys in _texts(output):
            changed = copy.deepcopy(cell)
            *outer, last = keys
            place = changed.outputs[i]
            for key in outer:
                place = place[key]
            kind, place[last] = alter_text(place[last], dice)
            yield Alteration(number, part, kind, changed)
    for i in range(len(cell.outputs)):
        changed = copy.deepcopy(cell)
        del changed.outputs[i]
        yield Alteration(number, "output", "removed", changed)
    changed = copy.deepcopy(cell)
    data = {"text/plain": "None"}
    new = (new_output("stream", name="stdout", text="None\n"), new_output("display_data", data))
    changed.outputs.append(dice.choice(new))
    yield Alteration(number, "output", "added", changed)
    if any(output.output_type == "error" for output in cell.outputs):
        yield Alteration(number, "error", "no longer raised", _without_error(cell))


def failing_cells(path: Path) -> set[int]:
    """Validate one notebook as ``make test`` does, and return the numbers of the cells that fail.

    Raises:
        RuntimeError: if nbval did not report every code cell; the message holds the end of what pytest printed.
    """
    report = path.with_suffix(".xml")
    options: list[str | Path] = [
        "-q",
        "--tb=no",
        "-p",
        "no:cacheprovider",
        "-c",
        ROOT / "pyproject.toml",
        f"--rootdir={path.parent}",
    ]
    command = suite.pytest_command(*options, f"--junitxml={report}", path)
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parent, check=False)
    cells = list(suite.cases(report))
    expected = sum(cell.cell_type == "code" for cell in nbformat.read(path, as_version=4).cells)
    if len(cells) != expected:
        raise RuntimeError(f"{path.stem}: {len(cells)} of {expected} cells were reported: {done.stdout[-800:]}")
    return {int(cell.name.removeprefix("Cell ")) for cell in cells if cell.outcome == "failed"}


def examine(path: Path, *, seed: int, jobs: ThreadPoolExecutor) -> Tally:
    """Validate one notebook in as many altered copies as its longest list of alterations asks for."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    lists = [list(alterations(i, cell, random.Random(f"{seed} {cell.id}"))) for i, cell in enumerate(code)]  # noqa: S311
    rounds = [[alteration for alteration in row if alteration is not None] for row in itertools.zip_longest(*lists)]
    tally = Tally(images=sum(kind in IMAGES for cell in code for out in cell.outputs for kind in out.get("data", ())))
    for altered, failing in zip(rounds, jobs.map(lambda row: _validate(path, notebook, row), rounds), strict=True):
        for each in altered:
            tally.altered[each.part, each.kind] += 1
            tally.seen[each.part, each.kind] += each.cell in failing
            if each.cell not in failing:
                tally.problems.append(f"{path.stem}: {code[each.cell].id}: {each.part}, {each.kind}: not seen")
        for number in sorted(failing - {each.cell for each in altered}):
            tally.problems.append(f"{path.stem}: {code[number].id}: fails, though nothing was altered in this round")
    return tally


def _validate(path: Path, notebook: nbformat.NotebookNode, altered: Sequence[Alteration]) -> set[int]:
    """Return the failing cells of a copy with these alterations, in a folder of its own with the course's conftest."""
    changed = copy.deepcopy(notebook)
    code = [cell for cell in changed.cells if cell.cell_type == "code"]
    for alteration in altered:
        code[alteration.cell].update(alteration.result)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(NOTEBOOKS / "conftest.py", folder)
        nbformat.write(changed, Path(folder, path.name))
        return failing_cells(Path(folder, path.name))


def _texts(output: Cell) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each text of an output that nbval compares: its name, and the keys that lead to it."""
    if output.output_type == "stream":
        yield output.name, ("text",)
    elif output.output_type == "error":
        yield "error name", ("ename",)
        yield "error value", ("evalue",)
    else:
        yield from ((kind, ("data", kind)) for kind in output.data if kind not in IMAGES)


def _without_error(cell: Cell) -> Cell:
    """Return the cell with code that no longer raises, and otherwise does what it did."""
    changed = copy.deepcopy(cell)
    body = textwrap.indent(cell.source, "    ")
    changed.source = f"import contextlib as _contextlib\nwith _contextlib.suppress(Exception):\n{body}"
    return changed


def _replaced(pattern: str, change: Callable[[str], str]) -> Callable[[str, random.Random], str | None]:
    """Return a function that changes one of the characters that fit a pattern, or gives None where none does."""

    def apply(text: str, dice: random.Random) -> str | None:
        found = list(re.finditer(pattern, text))
        if not found:
            return None
        at = dice.choice(found).start()
        return text[:at] + change(text[at]) + text[at + 1 :]

    return apply


def _without_a_line(text: str, dice: random.Random) -> str | None:
    """Drop one line of several."""
    lines = text.splitlines(keepends=True)
    if len(lines) < 2:
        return None
    del lines[dice.randrange(len(lines))]
    return "".join(lines)


def _next_letter(letter: str) -> str:
    """Return another letter, in the same case."""
    return {"z": "a", "Z": "A"}.get(letter, chr(ord(letter) + 1))


_KINDS: dict[str, Callable[[str, random.Random], str | None]] = {
    "a digit": _replaced("[0-9]", lambda digit: str((int(digit) + 1) % 10)),
    "a letter": _replaced("[A-Za-z]", _next_letter),
    "a line dropped": _without_a_line,
    "a space dropped": _replaced(r"[ \n]", lambda _: ""),
    "a space at the end": lambda text, _: f"{text} ",
    "a newline at the end": lambda text, _: f"{text}\n",
}


def table(total: Tally) -> list[str]:
    """Return the rows of the table, one for each part and kind, and the sum."""
    rows = [
        f"| {part} | {kind} | {n} | {total.seen[part, kind]} |" for (part, kind), n in sorted(total.altered.items())
    ]
    return [
        "| part | alteration | made | seen |",
        "|---|---|---:|---:|",
        *rows,
        f"| all | | {total.altered.total()} | {total.seen.total()} |",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Alter what the command line names, print a line for each notebook and the sum, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.evidence.alter", description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebook files (default: the whole course)")
    parser.add_argument("--seed", type=int, default=0, help="decides which alteration each text gets (default: 0)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many at a time (default: 2)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/validation.md")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f"--jobs must be at least 1; got {options.jobs}")
    paths = [path.resolve() for path in options.notebooks] or sorted((NOTEBOOKS / "en").glob("*.ipynb"))
    if missing := [path for path in paths if not path.is_file()]:
        parser.error(f"no such notebook: {', '.join(map(str, missing))}")
    started, total = time.perf_counter(), Tally()
    with ThreadPoolExecutor(options.jobs) as runs, ThreadPoolExecutor(options.jobs) as notebooks:
        waiting = {notebooks.submit(examine, path, seed=options.seed, jobs=runs): path for path in paths}
        for done, future in enumerate(as_completed(waiting), start=1):
            tally = future.result()
            total.add(tally)
            mark = "FAIL" if tally.problems else " ok "
            counted = f"{tally.altered.total():4d} altered, {tally.seen.total():4d} seen"
            print(f" {mark} {waiting[future].stem:<26} {counted}   ({done}/{len(paths)})", flush=True)
            for problem in tally.problems:
                print(f"      {problem}", flush=True)
    print("\n".join(table(total)))
    print(f"{total.images} images are not compared by nbval: cells beside them assert on the data that they show")
    missed = total.altered.total() - total.seen.total()
    print(
        f"{total.altered.total()} alterations, {total.seen.total()} seen, {missed} missed, "
        f"{len(total.problems) - missed} failures elsewhere, {time.perf_counter() - started:.0f} s"
    )
    if options.write and not total.problems:
        page.put("validation.md", "outputs", table(total))
    return 1 if total.problems else 0


if __name__ == "__main__":
    sys.exit(main())
