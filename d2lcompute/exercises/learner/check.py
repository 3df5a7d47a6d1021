"""Check: try an answer, and keep that it passed."""

from typing import Any

from ..checking.examine import examine
from ..checking.report import CheckResult
from ..registry import find
from . import store

__all__ = ["check"]


def check(name: str, answer: Any) -> CheckResult:
    """Check an answer to an exercise, and keep the progress if it passes.

    The answer is tried on sizes, values and dtypes that are drawn afresh each time. Whatever it does, the notebook goes
    on: random generators, the default dtype, the grad mode and the working directory are afterwards as they were.

    Args:
        name: the exercise's name, such as ``"parallel_block"``.
        answer: what the task asks for: a class, a function, a tuple of functions or a value.

    Returns:
        A result that is true only when passed; its repr tells what was tried, what was expected and what came.

    Raises:
        TypeError: if ``name`` is no string.
        ValueError: if there is no exercise of this name.

    Example:
        >>> check("parallel_block", ...)
        parallel_block: not attempted yet. hint("parallel_block") gives a first hint.
    """
    result = examine(find(name), answer)
    if not result:
        return result
    note = store.record(name)
    return CheckResult(name, result.status, f"{result.message}\n{note}") if note else result
