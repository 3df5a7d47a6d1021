"""Wrong answers to ``list_blocks``."""

from typing import Any

from d2lcompute.exercises.lessons.blocks.list_blocks import SOLUTION
from tests.exercises.wrong_answers import WrongAnswer


def _with(**changed: Any) -> dict[str, Any]:
    """Return the solution but for these entries."""
    return {**SOLUTION, **changed}


WRONG_ANSWERS = (
    WrongAnswer(_with(forward_works=False), "What does forward need", "What is broken is expected to fail at once."),
    WrongAnswer(_with(parameters=7946), "not what the layers hold", "The layers do hold 7946 numbers."),
    WrongAnswer(_with(parameters=4), "not what the layers hold", "Two weights and two biases make four tensors."),
    WrongAnswer(_with(state_dict_keys=4), "what would be written to a file", "nn.Sequential would list four."),
    WrongAnswer(_with(optimizer_error="TypeError"), "the word before the colon", "The list is taken for the trouble."),
)
