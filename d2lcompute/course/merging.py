"""Merging: a learner's notebook and a newer one of the course, cell by cell.

What the learner left alone is renewed, what the learner changed, added or took out stays so. Which is which is told by
a fingerprint of each cell as it was given, kept in the notebook's own metadata, so that it goes wherever the file goes.
"""

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

__all__ = ["LEFT", "MARK", "Changes", "cleared", "fingerprint", "given_in", "mark_of", "merge"]

MARK = "d2lcompute"
"""The key under which a notebook's metadata say what was given."""

LEFT = "no-longer-in-the-course"
"""The tag of a cell that the learner changed and the course has dropped since."""

Notebook = Any  # nbformat.NotebookNode: nbformat comes with JupyterLab, and this module does without both
Cell = Any


@dataclass
class Changes:
    """What happened to the cells of one notebook; each list has their ids.

    Attributes:
        added: new in the course.
        renewed: left alone by the learner, changed in the course.
        dropped: left alone by the learner, no longer in the course.
        kept: changed or added by the learner.
        overtaken: those of ``kept`` that the course has changed too.
        left: those of ``kept`` that are no longer in the course.
    """

    added: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def fingerprint(cell: Cell) -> str:
    """Return what tells a cell's text and type from others."""
    return hashlib.sha256(f"{cell['cell_type']}\n{cell['source']}".encode()).hexdigest()[:16]


def cleared(notebook: Notebook, mark: Mapping[str, Any]) -> Notebook:
    """Return a notebook as it is given: without outputs, with the fingerprints of its cells beside a mark."""
    given = copy.deepcopy(notebook)
    for cell in given["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    fingerprints = [[cell["id"], fingerprint(cell)] for cell in given["cells"]]
    given["metadata"][MARK] = {**mark, "given": fingerprints}
    return given


def mark_of(notebook: Any) -> dict[str, Any]:
    """Return what a notebook's metadata say of how it was given; nothing if it was not, or if that was lost."""
    try:
        return dict(notebook["metadata"][MARK])
    except (KeyError, TypeError, ValueError):
        return {}


def given_in(notebook: Notebook, kind: str = "given") -> dict[str, str]:
    """Return the fingerprints that a notebook was given with: by cell id, or by the name of a page beside it.

    Args:
        notebook: the notebook.
        kind: ``"given"`` for its cells, ``"pages"`` for the pages.
    """
    try:
        return {str(name): str(found) for name, found in dict(mark_of(notebook).get(kind, ())).items()}
    except (TypeError, ValueError):
        return {}


def merge(mine: Notebook, course: Notebook) -> tuple[Notebook, Changes]:
    """Bring a learner's notebook up to date.

    Args:
        mine: the learner's notebook. Its cells have ids, each its own.
        course: the course's, as :func:`cleared` returns it.

    Returns:
        The merged notebook, and what happened to its cells. Cells that did not change keep their outputs. The cells
        stand in the course's order, or in the learner's if that was changed; the learner's own stay behind the cell
        that they stood behind.
    """
    given, changes = given_in(mine), Changes()
    own = {cell["id"]: cell for cell in mine["cells"]}
    taken = dict(_of_the_course(course["cells"], own, given, changes))
    taken |= _of_the_learner(mine["cells"], {cell["id"] for cell in course["cells"]}, given, changes)
    theirs = [cell["id"] for cell in course["cells"] if cell["id"] in taken]
    ours = [name for name in own if name in taken]
    known = [name for name in given or theirs if name in taken and name in own]
    reordered = [name for name in ours if name in set(known)] != known
    merged = copy.deepcopy(mine)
    merged["cells"] = [taken[name] for name in (_woven(ours, theirs) if reordered else _woven(theirs, ours))]
    merged["metadata"][MARK] = copy.deepcopy(course["metadata"][MARK])
    return merged, changes


def _of_the_course(
    cells: Sequence[Cell], own: Mapping[str, Cell], given: Mapping[str, str], changes: Changes
) -> list[tuple[str, Cell]]:
    """Return what becomes of each cell of the course: its id, and the learner's cell or the course's."""
    taken = []
    for cell in cells:
        name, theirs = cell["id"], fingerprint(cell)
        mine = own.get(name)
        if mine is None:
            if name in given:
                continue  # the learner took it out
            changes.added.append(name)
        elif fingerprint(mine) == theirs:
            cell = {**mine, "metadata": {**mine["metadata"], **cell["metadata"]}}
        elif fingerprint(mine) == given.get(name):
            changes.renewed.append(name)
        else:
            changes.kept.append(name)
            if given.get(name, theirs) != theirs:
                changes.overtaken.append(name)
            cell = mine
        taken.append((name, cell))
    return taken


def _of_the_learner(
    cells: Sequence[Cell], in_course: set[str], given: Mapping[str, str], changes: Changes
) -> list[tuple[str, Cell]]:
    """Return the learner's cells that are not, or no longer, in the course, and that are the learner's work."""
    taken = []
    for cell in cells:
        name = cell["id"]
        if name in in_course:
            continue
        if fingerprint(cell) == given.get(name):
            changes.dropped.append(name)
            continue
        changes.kept.append(name)
        if name in given:
            changes.left.append(name)
            tags = [*cell["metadata"].get("tags", []), LEFT]
            cell = {**cell, "metadata": {**cell["metadata"], "tags": tags}}
        taken.append((name, cell))
    return taken


def _woven(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return the names of both lists: in the order of the first, and those of the second behind their predecessors.

    Example:
        >>> _woven(["a", "b", "c"], ["x", "a", "y", "z", "c"])
        ['x', 'a', 'y', 'z', 'b', 'c']
    """
    order = list(first)
    for before, name in pairwise([None, *second]):
        if name is not None and name not in order:
            order.insert(order.index(before) + 1 if before is not None else 0, name)
    return order
