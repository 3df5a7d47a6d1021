"""Wrong answers to ``settle_claims``."""

from d2lcompute.exercises.lessons.fact_check.settle_claims import SOLUTION
from tests.exercises.wrong_answers import WrongAnswer

EMPTY, LOADED, AVERAGES, ADAM, SUM = SOLUTION


def _with(claim: str, verdict: bool) -> dict[str, bool]:
    """Return the solution but for one verdict."""
    return {**SOLUTION, claim: verdict}


WRONG_ANSWERS = (
    WrongAnswer(
        _with(EMPTY, True), "a tensor of shape (0, 2)", "With no example there seems to be nothing to compute."
    ),
    WrongAnswer(_with(LOADED, True), "the same object", "The values are new, so the parameters seem to be."),
    WrongAnswer(
        _with(AVERAGES, True), "running_mean [0.1, 0.1]", "no_grad is taken for a mode in which nothing changes."
    ),
    WrongAnswer(_with(ADAM, False), "steps of 0.10 and 0.10", "In SGD a step is as large as the gradient."),
    WrongAnswer(_with(SUM, True), "The run gave 16777216", "1 is far from the smallest float32 number."),
)
