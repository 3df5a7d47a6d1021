"""Write the exercises of ``d2lcompute.exercises`` into their notebooks, each at the end of the section it practises.

An exercise is one object in one file; its cells (task, what is given, stub, check) are made from it and never edited in
the notebook. ``make notebooks`` runs this before it executes.
"""

import argparse
import inspect
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from d2lcompute._translation import speaking, tr
from d2lcompute.exercises.checking.exercise import Exercise
from d2lcompute.exercises.registry import find, names
from d2lcompute.exercises.stubs import answer_expression

COURSE = Path(__file__).resolve().parent.parent / "notebooks" / "en"


def cells(exercise: Exercise) -> list[nbformat.NotebookNode]:
    """Return the cells that pose an exercise: task, what is given, stub, check."""
    prefix = f"exercise-{exercise.name.replace('_', '-')}"
    source = tr("Our own")
    if exercise.book:
        source = tr("Book zh {chinese} / en {english}", chinese=exercise.book[0], english=exercise.book[1])
    heading = tr("Exercise: `{name}`", name=exercise.name)
    effort = tr(
        "difficulty {difficulty} of 5 · {minutes} minutes", difficulty=exercise.difficulty, minutes=exercise.minutes
    )
    text = f"### {heading}\n\n{source} · {effort}\n\n{tr(exercise.task)}"
    made = [new_markdown_cell(text, id=f"{prefix}-task")]
    if exercise.given:
        given = "\n\n\n".join(textwrap.dedent(inspect.getsource(each)).strip() for each in exercise.given)
        made.append(new_code_cell(given, id=f"{prefix}-given"))
    stub = exercise.stub.strip()
    made.append(new_code_cell(stub, id=f"{prefix}-stub", metadata={"tags": ["exercise-stub"]}))
    check = f'check("{exercise.name}", {answer_expression(stub)})'
    made.append(new_code_cell(check, id=f"{prefix}-check", metadata={"tags": ["exercise-check"]}))
    return made


def with_exercises(notebook: nbformat.NotebookNode, exercises: Sequence[Exercise]) -> list[nbformat.NotebookNode]:
    """Return a notebook's cells with each exercise at the end of its section; unchanged cells keep their outputs.

    Raises:
        ValueError: if a section is not there.
    """
    before = {cell.id: cell for cell in notebook.cells}
    placed = [cell for cell in notebook.cells if not cell.id.startswith("exercise-")]
    for exercise in exercises:
        end = _end_of_section(placed, exercise)
        placed[end:end] = [before[cell.id] if _same(cell, before.get(cell.id)) else cell for cell in cells(exercise)]
    return placed


def _end_of_section(placed: Sequence[nbformat.NotebookNode], exercise: Exercise) -> int:
    """Return the place before the next heading, behind exercises of the same section."""
    headings = {
        i: cell.source.splitlines()[0].lstrip("# ")
        for i, cell in enumerate(placed)
        if cell.cell_type == "markdown" and cell.source.startswith("##") and not cell.id.startswith("exercise-")
    }
    start = next((i for i, heading in headings.items() if heading == exercise.section), None)
    if start is None:
        there = ", ".join(map(repr, headings.values()))
        raise ValueError(f"{exercise.name}: the notebook has no section {exercise.section!r} (there are: {there})")
    return next((i for i in headings if i > start), len(placed))


def _same(cell: nbformat.NotebookNode, other: nbformat.NotebookNode | None) -> bool:
    """Tell whether a cell poses what it posed before."""
    return other is not None and (cell.source, cell.metadata) == (other.source, other.metadata)


def exercises_of(notebook: str) -> list[Exercise]:
    """Return a notebook's exercises: the book's by number, then our own by difficulty."""

    def order(exercise: Exercise) -> tuple[bool, list[int], int, str]:
        number = [int(part) for part in exercise.book[1].split(".")] if exercise.book else []
        return exercise.book is None, number, exercise.difficulty, exercise.name

    return sorted(map(find, names().get(notebook, ())), key=order)


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring the notebooks up to date; with --check, only say which are not, and return 1 if any."""
    parser = argparse.ArgumentParser(prog="python -m tools.exercises", description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebook files (default: the whole course)")
    parser.add_argument("--check", action="store_true", help="change nothing, exit with 1 if a notebook is behind")
    options = parser.parse_args(arguments)
    behind = []
    for path in options.notebooks or sorted(COURSE.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        with speaking("en"):
            updated = with_exercises(notebook, exercises_of(path.stem))
        if updated != notebook.cells:
            behind.append(path.stem)
            if not options.check:
                notebook.cells = updated
                path.write_text(nbformat.writes(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")
    if behind:
        print(f"exercises {'out of step in' if options.check else 'brought up to date in'}: {', '.join(behind)}")
    return 1 if behind and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
