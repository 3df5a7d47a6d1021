"""Wrong answers to ``autocast_dtypes``."""

from d2lcompute.exercises.lessons.mixed_precision.autocast_dtypes import SOLUTION
from tests.exercises.wrong_answers import WrongAnswer


def _with(**changed: str) -> dict[str, str]:
    """Return the solution but for these entries."""
    return {**SOLUTION, **changed}


WRONG_ANSWERS = (
    WrongAnswer(_with(hidden="float32"), "On which list is a linear layer", "Weight and input are both float32."),
    WrongAnswer(_with(added="bfloat16"), "which of them can hold both", "Inside the block all is taken for 16 bits."),
    WrongAnswer(_with(scores="float32"), "or what it is", "Its inputs are float32, so the result seems to be too."),
    WrongAnswer(_with(loss="bfloat16"), "adds up many squares", "The scores that go in are bfloat16."),
    WrongAnswer(_with(gradient="bfloat16"), "a cast copy of its weight", "The layer computed in bfloat16."),
)
