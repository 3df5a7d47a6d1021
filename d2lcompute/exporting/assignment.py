"""Assignment: what a tool needs of a notebook's exercises, before it takes the tool's own form."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from ..course.source import posed_in, source_folder
from ..exercises.checking.exercise import Exercise
from ..exercises.learner.help import source_of
from ..exercises.registry import find, names
from ..exercises.stubs import answer_expression

__all__ = ["Assignment", "Question", "assignment_of", "chosen"]

_OURS = "d2lcompute"
_LIBRARIES = {_OURS, "numpy", "safetensors", "torch", *sys.stdlib_module_names}
_LEFT_OUT = {f"{_OURS}.figures", f"{_OURS}.exercises"}  # plots need more libraries; of the exercises, check is imported


@dataclass(frozen=True)
class Question:
    """An exercise in an assignment.

    Attributes:
        name: the exercise's name.
        points: what it earns: its difficulty.
        task: what to do, in Markdown.
        given: the code that the learner is given; often none.
        stub: the code that the learner fills in.
        solution: code that binds the stub's names anew.
        test: code that raises an AssertionError, with the checker's report, unless the answer passes.
    """

    name: str
    points: int
    task: str
    given: str
    stub: str
    solution: str
    test: str

    def id_of(self, part: str) -> str:
        """Return the id that a part's cell has in the course too, by which ``d2lcompute grade`` finds the answer.

        Example:
            >>> Question("two_gpus", 3, "", "", "", "", "").id_of("stub")
            'exercise-two-gpus-stub'
        """
        return f"exercise-{self.name.replace('_', '-')}-{part}"


@dataclass(frozen=True)
class Assignment:
    """The exercises of a notebook.

    Attributes:
        name: the notebook's name, such as ``"01_blocks"``.
        title: its heading.
        imports: the code that stands before all questions.
        questions: the exercises, in the notebook's order.
    """

    name: str
    title: str
    imports: str
    questions: tuple[Question, ...]


def chosen(notebooks: Sequence[str]) -> list[str]:
    """Return the names of notebooks in the course's order; of all that pose exercises if none is named.

    Raises:
        ValueError: if a name is that of no such notebook.
    """
    known = list(names())
    if unknown := [name for name in notebooks if name not in known]:
        raise ValueError(f"no notebook of the course is called {', '.join(unknown)}; there are: {', '.join(known)}")
    return [name for name in known if not notebooks or name in notebooks]


def assignment_of(notebook: str, language: str = "en") -> Assignment:
    """Return a notebook's exercises as an assignment.

    Args:
        notebook: the notebook's name.
        language: the language of title and tasks; code is the same in all.

    Raises:
        CourseError: if the course is not there in this language.
    """
    lesson = _cells(source_folder(language) / f"{notebook}.ipynb")
    title = next(iter(lesson.values())).splitlines()[0].lstrip("# ")
    questions = tuple(_question(find(name), lesson) for name in posed_in(notebook))
    return Assignment(notebook, title, _imports(lesson["imports-seed"]), questions)


def _cells(path: Path) -> dict[str, str]:
    """Return the text of each cell of a notebook, by its id."""
    return {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}


def _question(exercise: Exercise, lesson: dict[str, str]) -> Question:
    stub = exercise.stub.strip()
    given = "\n\n\n".join(textwrap.dedent(inspect.getsource(each)).strip() for each in exercise.given)
    test = (
        f"from {_OURS}.exercises import check\n\n"  # once more: an answer may have bound the name
        f'verdict = check("{exercise.name}", {answer_expression(stub)})\n'
        "assert verdict, verdict"
    )
    task = lesson[f"exercise-{exercise.name.replace('_', '-')}-task"]
    return Question(exercise.name, exercise.difficulty, task, given, stub, source_of(exercise), test)


def _imports(lesson: str) -> str:
    r"""Return the imports of a lesson that need no library beside those that come with this package, and the check.

    Example:
        >>> print(_imports("import math\nfrom matplotlib import pyplot as plt\nfrom torch import nn\nX = 1"))
        import math
        from torch import nn
        from d2lcompute.exercises import check, hint
    """
    kept = [ast.unparse(statement) for statement in ast.parse(lesson).body if _is_kept(statement)]
    return "\n".join([*kept, f"from {_OURS}.exercises import check, hint"])


def _is_kept(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Import | ast.ImportFrom) and all(
        module.partition(".")[0] in _LIBRARIES and module not in _LEFT_OUT for module in _modules(statement)
    )


def _modules(statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Yield the names of the modules that a statement imports, or imports from."""
    if isinstance(statement, ast.ImportFrom):
        yield statement.module or ""
    else:
        yield from (alias.name for alias in statement.names)
