"""Check: try an answer, keep that it passed, and say what comes next."""

from collections import Counter
from dataclasses import replace
from typing import Any

from ..._translation import tr
from ...course.source import posed_in
from ..checking.examine import examine
from ..checking.report import CheckResult
from ..registry import NOTEBOOKS, find, names
from . import store
from .help import hints_left

__all__ = ["check"]

_PATIENCE = 3  # after so many failed checks in a row, help is offered

_failed = Counter[str]()


def check(name: str, answer: Any) -> CheckResult:
    """Check an answer to an exercise, and keep the progress if it passes.

    The answer is tried on sizes, values and dtypes that are drawn afresh each time. Whatever it does, the notebook goes
    on: random generators, the default dtype, the grad mode and the working directory are afterwards as they were.

    Args:
        name: the exercise's name, such as ``"parallel_block"``.
        answer: what the task asks for: a class, a function, a tuple of functions or a value.

    Returns:
        A result that is true only when passed; its repr tells what was tried, what was expected and what came. After
        three failures in a row it offers a hint, and the solution when all hints were given.

    Raises:
        TypeError: if ``name`` is no string.
        ValueError: if there is no exercise of this name.

    Example:
        >>> check("parallel_block", ...)
        parallel_block: not attempted yet. hint("parallel_block") gives a first hint.
    """
    result = examine(find(name), answer)
    if result.status == "not attempted":
        return result
    if result:
        _failed[name] = 0
        note = store.record(name)
        return _longer(result, _next(name), note)
    _failed[name] += 1
    return _longer(result, _offer(name)) if _failed[name] >= _PATIENCE else result


def _offer(name: str) -> str:
    left = hints_left(name)
    if not left:
        return tr('  Stuck? solution("{name}") shows a solution, and why it works.', name=name)
    if left == 1:
        return tr('  Stuck? hint("{name}") gives the last hint.', name=name)
    return tr('  Stuck? hint("{name}") gives a hint; {left} are left.', name=name, left=left)


def _next(name: str) -> str:
    """Say which exercise of the notebook is still open, from here on, then from its top; or which notebook is next."""
    notebook = next(notebook for notebook, exercises in names().items() if name in exercises)
    order = posed_in(notebook) or list(names()[notebook])
    here = order.index(name)
    passed, _ = store.passed_names()
    still_open = [each for each in order[here + 1 :] + order[:here] if each not in passed]
    if still_open:
        return tr("Next: {name}.", name=still_open[0])
    following = NOTEBOOKS[NOTEBOOKS.index(notebook) + 1 :]
    if not following:
        return tr("All exercises of {notebook} are passed. progress() shows all.", notebook=notebook)
    return tr("All exercises of {notebook} are passed. Next: {name}.", notebook=notebook, name=following[0])


def _longer(result: CheckResult, *lines: str) -> CheckResult:
    return replace(result, message="\n".join([result.message, *filter(None, lines)]))
