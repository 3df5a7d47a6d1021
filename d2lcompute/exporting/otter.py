"""Otter-Grader: an assignment as the notebook that ``otter assign`` makes the learners' version and the tests of.

Raw cells say where a question, its solution and its tests begin and end. As for nbgrader, an answer's cell holds the
stub and, in a region that otter takes out, the solution.

Source: https://otter-grader.readthedocs.io, "Otter Assign format".
"""

from collections.abc import Iterator

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from .assignment import Assignment, Question
from .nbgrader import KERNEL

__all__ = ["master_notebook"]


def master_notebook(assignment: Assignment) -> nbformat.NotebookNode:
    """Return an assignment's notebook with its solutions and tests, which otter calls the master."""
    settings = f"# ASSIGNMENT CONFIG\nname: {assignment.name}\nexport_cell:\n  pdf: false"
    head = [
        new_raw_cell(settings, id="assignment"),
        new_markdown_cell(f"# {assignment.title}", id="title"),
        new_code_cell(assignment.imports, id="imports-seed"),
    ]
    questions = (cell for question in assignment.questions for cell in _cells(question))
    return new_notebook(cells=[*head, *questions], metadata=KERNEL)


def _cells(question: Question) -> Iterator[nbformat.NotebookNode]:
    """Yield the cells of a question: task, what is given, answer, test, each part between its raw cells."""
    settings = f"# BEGIN QUESTION\nname: {question.name}\npoints: {question.points}"
    yield new_raw_cell(settings, id=question.id_of("begin"))
    yield new_markdown_cell(question.task, id=question.id_of("task"))
    if question.given:
        yield new_code_cell(question.given, id=question.id_of("given"))
    answer = f"{question.stub}\n# BEGIN SOLUTION NO PROMPT\n{question.solution}\n# END SOLUTION"
    yield from _part(question, "solution", new_code_cell(answer, id=question.id_of("stub")))
    yield from _part(question, "tests", new_code_cell(question.test, id=question.id_of("check")))
    yield new_raw_cell("# END QUESTION", id=question.id_of("end"))


def _part(question: Question, part: str, cell: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    """Yield a cell between the raw cells that say what part of the question it is."""
    yield new_raw_cell(f"# BEGIN {part.upper()}", id=question.id_of(f"begin-{part}"))
    yield cell
    yield new_raw_cell(f"# END {part.upper()}", id=question.id_of(f"end-{part}"))
