"""Help with an exercise: hints, one at a time, and a solution with its reason."""

import inspect
import pprint
from dataclasses import dataclass
from typing import Any

import wcwidth

from ..._translation import tr
from ..checking.exercise import Exercise
from ..registry import find

__all__ = ["Text", "hint", "hints_left", "solution", "source_of"]

_given: dict[str, int] = {}


@dataclass(frozen=True, repr=False)
class Text:
    """A text that a notebook shows as it is written.

    Args:
        text: the text.
    """

    text: str

    def __repr__(self) -> str:
        return self.text


def hint(name: str) -> Text:
    """Give the next of three hints: a question, then a direction, then nearly the answer.

    The count begins anew with each session, so a notebook that is run from its top shows the same hints again.

    Args:
        name: the exercise's name, such as ``"parallel_block"``.

    Raises:
        TypeError: if ``name`` is no string.
        ValueError: if there is no exercise of this name.

    Example:
        >>> hint("parallel_block")
        Hint 1 of 3: ...
    """
    hints = find(name).hints
    number = _given[name] = min(_given.get(name, 0) + 1, len(hints))
    words = tr("Hint {number} of {count}: {text}", number=number, count=len(hints), text=tr(hints[number - 1]))
    if number == len(hints):
        words += "\n" + tr('This is the last one. solution("{name}") shows a solution.', name=name)
    return Text(words)


def hints_left(name: str) -> int:
    """Return how many hints of an exercise have not been given in this session."""
    return len(find(name).hints) - _given.get(name, 0)


def solution(name: str) -> Text:
    """Show a solution, and why it works; it is the very code that the tests run.

    Args:
        name: the exercise's name, such as ``"parallel_block"``.

    Raises:
        TypeError: if ``name`` is no string.
        ValueError: if there is no exercise of this name.

    Example:
        >>> solution("parallel_block")
        class ParallelBlock(nn.Module):
        ...
    """
    exercise = find(name)
    why = wcwidth.wrap(
        tr("Why it works: {why}", why=tr(exercise.why)), 100, initial_indent="# ", subsequent_indent="# "
    )
    return Text("\n".join([source_of(exercise), "", *why]))


def source_of(exercise: Exercise) -> str:
    """Return the source of an exercise's solution, as it can be put into the place of the stub."""
    value = exercise.solution
    if isinstance(value, tuple):
        return "\n\n".join(map(_source, value))
    if isinstance(value, type) or callable(value):
        return _source(value)
    return f"{exercise.name} = {pprint.pformat(value, width=100, sort_dicts=False)}"


def _source(value: Any) -> str:
    """Return the source of one class or function."""
    return inspect.getsource(value).rstrip()
