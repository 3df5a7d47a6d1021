"""Small changes to the functions of a file, ready to be put in the place of what they change; see ``tools.mutants``."""

import ast
import functools
import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, WhitespaceInclusivePositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode

__all__ = ["Mutant", "judging", "mutants_of"]


@dataclass(frozen=True)
class Mutant:
    """A function's changed code: what to put in the place of what, and the lines that a test must run to notice."""

    function: str
    change: str
    lines: range
    codes: dict[CodeType, CodeType]
    defaults: dict[int | str, Any]


class _Everywhere(MutationVisitor):
    """mutmut's visitor, for functions with decorators too: they are changed in place, so none is applied twice."""

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        return not isinstance(node, cst.FunctionDef) and super()._skip_node_and_children(node)


def mutants_of(path: Path, *, only: frozenset[str] | None = None) -> list[Mutant]:
    """Return each change to the functions of a file; ``only`` names the functions and classes that count."""
    source = path.read_text("utf-8")
    wrapper = MetadataWrapper(cst.parse_module(source))
    visitor = _Everywhere(mutation_operators, IgnoredCode(set(), set(), set()))
    module = wrapper.visit(visitor)
    positions = wrapper.resolve(WhitespaceInclusivePositionProvider)
    starts = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    found = []
    for each in visitor.mutations:
        if isinstance(each.contained_by_top_level_function, cst.FunctionDef):
            place = positions[each.original_node]
            line = place.start.line
            around = [one for one in statements if _first_line(one) <= line <= _last_line(one)]
            least = min(around, key=lambda one: _last_line(one) - _first_line(one))
            lines = range(_first_line(least), _last_line(least) + 1)
            start, end = (starts[each.line - 1] + each.column for each in (place.start, place.end))
            changed = source[:start] + module.code_for_node(each.mutated_node) + source[end:]
            found.append(_compiled(source, changed, path, line, lines))
    return [each for each in found if each and (only is None or each.function.split(".")[0] in only)]


def _compiled(source: str, changed: str, path: Path, line: int, lines: range) -> Mutant | None:
    """Return the mutant of the function at that line; None if the change cannot be compiled or makes no difference."""
    with warnings.catch_warnings(action="ignore"):
        try:
            after = _functions_of(changed, path)
        except SyntaxError:
            return None
    for (node, old), (new_node, new) in zip(_functions_of(source, path), after, strict=True):
        if _first_line(node) <= line <= _last_line(node):
            defaults = _changed_defaults(node.args, new_node.args)
            codes = {one: other for one, other in _paired(old, new) if one != other}
            change = _difference(ast.unparse(node), ast.unparse(new_node))
            return Mutant(old.co_qualname, change, lines, codes, defaults) if codes or defaults else None
    return None


@functools.lru_cache(maxsize=2)
def _functions_of(source: str, path: Path) -> list[tuple[ast.FunctionDef, CodeType]]:
    return list(_functions(ast.parse(source), compile(source, path, "exec", dont_inherit=True)))


def _functions(tree: ast.AST, code: CodeType) -> Iterator[tuple[ast.FunctionDef, CodeType]]:
    """Yield each function of a module and each method of its classes, with its code."""
    inner = {(each.co_name, each.co_firstlineno): each for each in code.co_consts if isinstance(each, CodeType)}
    for node in getattr(tree, "body", ()):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            its_code = inner.get((node.name, _first_line(node))) or inner[node.name, node.lineno]
            if isinstance(node, ast.FunctionDef):
                yield node, its_code
            elif isinstance(tree, ast.Module):
                yield from _functions(node, its_code)


def _paired(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Yield a function's code and those of the functions inside it, each with its new one."""
    yield old, new
    inner = [[each for each in one.co_consts if isinstance(each, CodeType)] for one in (old, new)]
    if len(inner[0]) == len(inner[1]):
        for one, other in zip(*inner, strict=True):
            yield from _paired(one, other)


def _changed_defaults(old: ast.arguments, new: ast.arguments) -> dict[int | str, Any]:
    """Return the changed default values, by their number among the positional ones or by their name."""
    names = [each.arg for each in old.kwonlyargs]
    pairs: list[tuple[int | str, Any]] = [*enumerate(zip(old.defaults, new.defaults, strict=True))]
    named = zip(names, zip(old.kw_defaults, new.kw_defaults, strict=True), strict=True)
    return {
        key: ast.literal_eval(other)
        for key, (one, other) in [*pairs, *named]
        if one and other and ast.dump(one) != ast.dump(other)
    }


def _difference(old: str, new: str) -> str:
    """Show what changed in which line, with some characters around it; comments and line breaks do not count."""
    one, other = old.splitlines(), new.splitlines()
    head, tail = _common(one, other)
    texts = [" ".join(line.strip() for line in lines[head : len(lines) - tail]) for lines in (one, other)]
    head, tail = _common(*texts)
    clipped = [text[max(head - 40, 0) : len(text) - max(tail - 25, 0)] for text in texts]
    return " → ".join(f"`` {text} ``" for text in clipped)


def _common(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """Count how many items are the same at the head and, apart from these, at the tail."""
    shorter = min(len(one), len(other))
    head = next((at for at in range(shorter) if one[at] != other[at]), shorter)
    return head, next((at for at in range(shorter - head) if one[-1 - at] != other[-1 - at]), shorter - head)


def _first_line(node: ast.stmt) -> int:
    return min(each.lineno for each in (node, *getattr(node, "decorator_list", ())))


def _last_line(node: ast.stmt) -> int:
    return node.end_lineno or node.lineno


def judging(module: Any, source: str) -> frozenset[str]:
    """Name what of an exercise's file judges and is shown: requirements, solution, and all that these use.

    The wrong answers, the stub and the hints are not code that checks.
    """
    exercise = module.EXERCISE
    solution = exercise.solution if isinstance(exercise.solution, tuple) else (exercise.solution,)
    names = {each.__name__ for each in (*exercise.requirements, exercise.form, *solution) if hasattr(each, "__name__")}
    defined = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    wanted = names & defined.keys()
    while True:
        used = {name.id for each in wanted for name in ast.walk(defined[each]) if isinstance(name, ast.Name)}
        if used & defined.keys() <= wanted:
            return frozenset(wanted)
        wanted |= used & defined.keys()
