"""What an exercise is: one frozen object that holds its text, its requirements and a solution."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .trial import Trial

__all__ = ["Exercise", "Requirement"]

Requirement = Callable[[Any, Trial], None]
"""A function that tries an answer in one trial, and whose docstring's first sentence is what the learner reads."""


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """An exercise: everything that the notebook shows, and everything that the checker needs.

    Args:
        name: what learners write in ``check(name, answer)``; also the name of the file.
        notebook: the notebook that poses it, such as ``"01_blocks"``.
        section: the heading of the section that it practises, and at whose end it stands.
        book: its number in the Chinese and in the English book, such as ``("5.1.2", "6.1.2")``; None for our own.
        difficulty: from 1 (read one output) to 5 (an afternoon).
        minutes: how long it takes someone who has read the section.
        task: what to do, in one sentence.
        stub: the code cell that the learner fills in; run as it is, it counts as not attempted.
        form: checks what kind of thing the answer is, before it is tried; one of those in ``forms``.
        requirements: what the answer must do, each a function that tries it; in the order of the report.
        hints: a question, a direction, a near-answer.
        solution: the class, function, pair of functions or value that :func:`solution` shows and tests run.
        why: why the solution works.
        given: classes or functions that the learner is given; the notebook shows their source.
        rounds: how often each requirement is tried, each time with fresh sizes, values and dtypes.
        may_change: what an answer may change for good: ``"the global seed"`` or a name in ``sandbox.settings``.
    """

    name: str
    notebook: str
    section: str
    book: tuple[str, str] | None
    difficulty: int
    minutes: int
    task: str
    stub: str
    form: Requirement
    requirements: tuple[Requirement, ...]
    hints: tuple[str, str, str]
    solution: Any
    why: str
    given: tuple[Any, ...] = ()
    rounds: int = 3
    may_change: tuple[str, ...] = ()
