"""Wrong answers: plausible mistakes, one file an exercise beside this one, each with the remark that it has to earn."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from d2lcompute.exercises.registry import find

__all__ = ["WrongAnswer", "wrong_answers"]


@dataclass(frozen=True)
class WrongAnswer:
    """A mistake that a learner would plausibly make.

    Args:
        answer: what the learner would hand over.
        remark: what the checker must say about it; a part of the report, word for word.
        why: what misleads people into this answer, in one sentence.
    """

    answer: Any
    remark: str
    why: str


def wrong_answers(name: str) -> tuple[WrongAnswer, ...]:
    """Return the wrong answers to an exercise, from the file that is named like the exercise's own."""
    folder = find(name).notebook.partition("_")[2]
    return import_module(f"tests.exercises.{folder}.{name}").WRONG_ANSWERS
