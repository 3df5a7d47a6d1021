"""Program: from the cells of a notebook, the code that one answer needs, and no more."""

import ast
import builtins
import re
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from ..exercises.registry import find
from ..exercises.stubs import answer_expression, names_in

__all__ = ["OF_AN_EXERCISE", "Answer", "Cell", "Program", "answer_in", "program_of"]

OF_AN_EXERCISE = re.compile("exercise-[a-z0-9-]+-(given|stub|check)")
"""The id of a cell that belongs to one exercise, and so to no other: two of them may bind the same names."""


@dataclass(frozen=True)
class Cell:
    """A code cell.

    Attributes:
        id: its id, which may be empty.
        source: its text.
    """

    id: str
    source: str


@dataclass(frozen=True)
class Answer:
    """Where an exercise's answer stands in a notebook.

    Attributes:
        place: the number of its cell among the code cells.
        attempted: whether it is something else than the stub.
    """

    place: int
    attempted: bool


@dataclass(frozen=True)
class Program:
    """The code of an answer, ready to be run.

    Attributes:
        exercise: the exercise's name.
        sources: what is run, in this order; the last is the answer's cell.
        answer: the expression that is checked, such as ``ParallelBlock`` or ``(save, load)``.
    """

    exercise: str
    sources: tuple[str, ...]
    answer: str


def answer_in(cells: Sequence[Cell], exercise: str) -> Answer | None:
    """Find an exercise's answer: the cell with the stub's id, else the last that binds the stub's names.

    A cell that was copied keeps its names and gets another id, so that the last cell with an attempt counts where the
    stub's own was left as it is.

    Returns:
        Where it stands; None if no cell is it.
    """
    stub = find(exercise).stub
    wanted, posed = set(names_in(stub)), f"exercise-{exercise.replace('_', '-')}-stub"
    own = [i for i, cell in enumerate(cells) if cell.id == posed]
    free = [i for i, cell in enumerate(cells) if cell.id == posed or not OF_AN_EXERCISE.fullmatch(cell.id)]
    binding = [i for i in free if wanted <= _bound_by(cells[i].source)]
    attempted = [i for i in (*binding, *own) if _code(cells[i].source) != _code(stub)]
    if attempted:
        return Answer(attempted[-1], attempted=True)
    return Answer((own or binding)[-1], attempted=False) if own or binding else None


def program_of(cells: Sequence[Cell], exercise: str, *, whole: bool = False) -> Program | None:
    """Return what has to be run to check an exercise's answer.

    Args:
        cells: the code cells of the notebook.
        exercise: the exercise's name.
        whole: run each cell up to the answer, and not only what the answer needs.

    Returns:
        The program; None if the answer is not there, or is still the stub.
    """
    answer = answer_in(cells, exercise)
    if answer is None or not answer.attempted:
        return None
    source = _plain(cells[answer.place].source)
    before = [_plain(cell.source) for cell in cells[: answer.place]] if whole else _needed(cells, answer.place)
    return Program(exercise, (*before, source), answer_expression(find(exercise).stub))


def _needed(cells: Sequence[Cell], place: int) -> list[str]:
    """Return the statements of other cells that bind what a cell uses, and what these use, in the notebook's order."""
    statements = [
        (i, statement) for i, cell in enumerate(cells) if i != place for statement in _statements(_plain(cell.source))
    ]
    open_names = _used(_safe(_plain(cells[place].source)))
    chosen: set[int] = set()
    while open_names:
        name = open_names.pop()
        binding = [k for k, (_, statement) in enumerate(statements) if name in _bound(statement)]
        before = [k for k in binding if statements[k][0] < place]
        for k in before or binding[-1:]:  # a helper may stand below the answer: a notebook's cells run in any order
            if k not in chosen:
                chosen.add(k)
                open_names |= _used(ast.unparse(statements[k][1]))
    return [ast.unparse(statements[k][1]) for k in sorted(chosen)]


@cache
def _statements(source: str) -> tuple[ast.stmt, ...]:
    """Return the statements of a cell that bind a name: definitions, assignments, imports one by one."""
    found: list[ast.stmt] = []
    for statement in ast.parse(_safe(source)).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for alias in statement.names:
                single = type(statement)(**{**dict(ast.iter_fields(statement)), "names": [alias]})
                found.append(ast.copy_location(single, statement))
        elif _bound(statement):
            found.append(statement)
    return tuple(found)


def _bound(node: ast.AST) -> set[str]:
    """Return the names that a statement binds at the top of a module."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    found = {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()
    inner = () if isinstance(node, ast.Lambda | ast.comprehension) else ast.iter_child_nodes(node)
    return found.union(*map(_bound, inner)) if inner else found


def _used(source: str) -> set[str]:
    """Return the names that some code takes from its surroundings: neither its own nor Python's."""
    module = symtable.symtable(source, "<answer>", "exec")
    own = {symbol.get_name() for symbol in module.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    return set(_read_from_outside(module)) - own - vars(builtins).keys()


def _read_from_outside(scope: symtable.SymbolTable) -> Iterator[str]:
    """Yield the names that a scope and those inside it look up in the module."""
    for symbol in scope.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or scope.get_type() == "module"):
            yield symbol.get_name()
    for inner in scope.get_children():
        yield from _read_from_outside(inner)


@cache
def _bound_by(source: str) -> frozenset[str]:
    """Return the names that a cell binds; none if it is no Python."""
    return frozenset().union(*(_bound(statement) for statement in ast.parse(_safe(_plain(source))).body))


def _plain(source: str) -> str:
    """Return a cell's text without magics and shell commands."""
    return "\n".join("pass" if re.match(r"[!%]", line) else line for line in source.splitlines())


def _safe(source: str) -> str:
    """Return the text if it is Python, else nothing: what is wrong with it shows when it is run."""
    try:
        ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return source


def _code(source: str) -> str:
    """Return a text in a form in which comments and spaces make no difference; as it is if it is no Python."""
    plain = _plain(source)
    return ast.unparse(ast.parse(plain)) if _safe(plain) else plain
