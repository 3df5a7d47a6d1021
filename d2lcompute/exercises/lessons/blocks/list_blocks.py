"""What a net cannot do that keeps its layers in a plain list."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_dict, tr

__all__ = ["EXERCISE"]

STUB = """\
list_blocks = {
    "forward_works": ...,  # True or False
    "parameters": ...,  # how many numbers net.parameters() finds
    "state_dict_keys": ...,  # how many entries net.state_dict() has
    "optimizer_error": ...,  # the name of what torch.optim.SGD(net.parameters(), lr=0.1) raises, in quotes
}
"""


class ListSequential(nn.Module):
    """Applies its blocks one after the other, and keeps them in a Python list."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = list(blocks)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Apply each block to what the one before gave."""
        for block in self.blocks:
            X = block(X)
        return X


def sees_whether_forward_works(answer: dict[str, Any], trial: Trial) -> None:
    """The entry forward_works says whether the net computes its output."""
    works = _net()(torch.zeros(2, 20)).shape == (2, 10)
    remark = tr("What does forward need of self.blocks, and does a plain list give it?")
    _require_observed(answer, "forward_works", works, remark, trial)


def counts_the_parameters(answer: dict[str, Any], trial: Trial) -> None:
    """The entry parameters says how many numbers net.parameters() finds."""
    count = sum(parameter.numel() for parameter in _net().parameters())
    remark = tr("Count what net.parameters() yields, not what the layers hold: does the net find its layers?")
    _require_observed(answer, "parameters", count, remark, trial)


def counts_the_keys(answer: dict[str, Any], trial: Trial) -> None:
    """The entry state_dict_keys says how many entries net.state_dict() has."""
    remark = tr("Look at net.state_dict() itself: what would be written to a file?")
    _require_observed(answer, "state_dict_keys", len(_net().state_dict()), remark, trial)


def names_the_error(answer: dict[str, Any], trial: Trial) -> None:
    """The entry optimizer_error names the exception that an optimizer raises on the net's parameters."""
    raised = ""
    try:
        torch.optim.SGD(_net().parameters(), lr=0.1)
    except Exception as error:
        raised = type(error).__name__
    remark = tr("Make the optimizer and read the last line of the traceback: the word before the colon.")
    _require_observed(answer, "optimizer_error", raised, remark, trial)


def _net() -> ListSequential:
    """Build the net of the exercise."""
    return ListSequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))


def _require_observed(answer: dict[str, Any], key: str, observed: Any, remark: str, trial: Trial) -> None:
    """Compare one entry with what a live net shows; the report does not say what that is."""
    trial.plan("net = ListSequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))", nudge=remark)
    trial.require(
        answer[key] == observed, expected=tr("{key!r} as the net shows it", key=key), got=f"{key!r}: {answer[key]!r}"
    )


SOLUTION = {"forward_works": True, "parameters": 0, "state_dict_keys": 0, "optimizer_error": "ValueError"}

EXERCISE = Exercise(
    name="list_blocks",
    notebook="01_blocks",
    section="What is not registered",
    book=("5.1.1", "6.1.1"),
    difficulty=1,
    minutes=5,
    task="Build net = ListSequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10)), and note what you observe.",
    stub=STUB,
    given=(ListSequential,),
    form=a_dict(forward_works=bool, parameters=int, state_dict_keys=int, optimizer_error=str),
    requirements=(sees_whether_forward_works, counts_the_parameters, counts_the_keys, names_the_error),
    rounds=1,
    hints=(
        "Where does a module look when it is asked for its parameters?",
        "Run the four things one by one: net(torch.zeros(2, 20)), net.parameters(), net.state_dict(), an optimizer.",
        "Only attributes that are modules or parameters are registered; a list is neither, so the net computes but "
        "owns nothing, and an optimizer refuses an empty list.",
    ),
    solution=SOLUTION,
    why="nn.Module notes a part when it is assigned to an attribute and is itself a Module or a Parameter; a list is "
    "neither, so forward finds the blocks, and parameters(), state_dict() and to() do not.",
)
