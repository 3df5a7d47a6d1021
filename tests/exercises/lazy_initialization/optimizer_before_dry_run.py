"""Wrong answers to ``optimizer_before_dry_run``."""

from typing import Any

from d2lcompute.exercises.lessons.lazy_initialization.optimizer_before_dry_run import SOLUTION
from tests.exercises.wrong_answers import WrongAnswer


def _with(**changed: Any) -> dict[str, Any]:
    """Return the solution but for these entries."""
    return {**SOLUTION, **changed}


WRONG_ANSWERS = (
    WrongAnswer(_with(same_objects=False), "compare with 'is'", "Another class seems to mean another object."),
    WrongAnswer(
        _with(optimizer_sees_them=False), "Look into optimizer", "Making an optimizer too early is a known mistake."
    ),
    WrongAnswer(
        _with(step_changes_weight=False), "Clone the weight", "Comparing the weight with itself shows no change."
    ),
    WrongAnswer(_with(class_name_after="LazyLinear"), "after data has passed", "It was built as a LazyLinear."),
    WrongAnswer(_with(class_name_after="Parameter"), "the class of the layer", "That is its weight's class."),
)
