"""Wrong answers to ``first_size_only``."""

from tests.exercises.wrong_answers import WrongAnswer

WRONG_ANSWERS = (
    WrongAnswer([], "knows both of its sizes", "The whole net seems to wait for its first input."),
    WrongAnswer(["0.weight"], "knows both of its sizes", "The bias is forgotten."),
    WrongAnswer(["0.weight", "0.bias", "2.bias"], "makes its bias together", "The bias has ten entries in any case."),
    WrongAnswer(
        ["0.weight", "0.bias", "2.weight", "2.bias"],
        "knows both of its sizes",
        "named_parameters() lists all four: being listed is not being initialized.",
    ),
    WrongAnswer(["0"], "These are layers", "The layer is ready, so its name is given."),
)
