"""nbgrader: an assignment as the source that ``nbgrader generate_assignment`` makes the learners' version of.

Cells bear nbgrader's metadata, schema version 3. An answer's cell holds the stub and, in a region that nbgrader takes
out, the solution, which binds the stub's names anew: so the learner gets our stub, and not nbgrader's.

Source: https://nbgrader.readthedocs.io, "nbgrader metadata format" and "Creating and grading assignments".
"""

from collections.abc import Iterator

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .assignment import Assignment, Question

__all__ = ["CONFIGURATION", "KERNEL", "source_notebook"]

CONFIGURATION = """\
import os

c = get_config()  # noqa: F821  (nbgrader defines it)
c.ClearSolutions.code_stub = {"python": ""}  # the stub stands before the solution, and is what learners get
os.environ.setdefault("D2LCOMPUTE_DATA", os.devnull)  # what learners pass is no progress of yours
"""
"""The text of ``nbgrader_config.py``."""

KERNEL = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
"""The metadata of a notebook in Python."""


def source_notebook(assignment: Assignment) -> nbformat.NotebookNode:
    """Return an assignment's notebook with its solutions, for nbgrader's folder ``source``."""
    title = new_markdown_cell(f"# {assignment.title}", id="title")
    imports = _code("imports-seed", assignment.imports, "imports", locked=True)
    questions = (cell for question in assignment.questions for cell in _cells(question))
    return new_notebook(cells=[title, imports, *questions], metadata=KERNEL)


def _cells(question: Question) -> Iterator[nbformat.NotebookNode]:
    """Yield the cells of a question: task, what is given, answer, test."""
    yield new_markdown_cell(question.task, id=question.id_of("task"))
    if question.given:
        yield _code(question.id_of("given"), question.given, f"{question.name}-given", locked=True)
    answer = f"{question.stub}\n### BEGIN SOLUTION\n{question.solution}\n### END SOLUTION"
    yield _code(question.id_of("stub"), answer, question.name, solution=True)
    test, name = question.test, f"{question.name}-check"
    yield _code(question.id_of("check"), test, name, locked=True, points=question.points)


def _code(
    id_: str,
    source: str,
    grade_id: str,
    *,
    locked: bool = False,
    solution: bool = False,
    points: int | None = None,
) -> nbformat.NotebookNode:
    """Return a code cell with nbgrader's metadata.

    Args:
        id_: the cell's id.
        source: its text.
        grade_id: its name in nbgrader.
        locked: whether learners cannot change it.
        solution: whether it is an answer's.
        points: what it earns, if it is graded.
    """
    metadata = {
        "cell_type": "code",
        "grade": points is not None,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    if points is not None:
        metadata["points"] = points
    return new_code_cell(source, id=id_, metadata={"nbgrader": metadata})
