"""Five claims that the notebook does not settle."""

# mypy: disable-error-code="no-untyped-call"
# backward() is untyped in torch.

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_dict, tr

__all__ = ["EXERCISE"]

STUB = """\
settle_claims = {  # each True or False
    "empty": ...,  # nn.Linear raises an error for a batch of no examples
    "loading": ...,  # load_state_dict puts new parameters in the place of the old ones
    "averages": ...,  # no_grad() keeps the running averages of batch normalization as they are
    "adam": ...,  # Adam's first step is about lr, however large the gradient
    "sum": ...,  # adding 1 to a float32, again and again, gets to 20 million
}
"""


def knows_empty_batches(answer: dict[str, Any], trial: Trial) -> None:
    """The first entry says what a linear layer does with no examples."""
    try:
        made = nn.Linear(3, 2)(torch.zeros(0, 3))
    except RuntimeError:
        _settled(answer, "empty", True, "nn.Linear(3, 2)(torch.zeros(0, 3))", tr("an error"), trial)
    else:
        found = tr("a tensor of shape {shape}", shape=tuple(made.shape))
        _settled(answer, "empty", False, "nn.Linear(3, 2)(torch.zeros(0, 3))", found, trial)


def knows_loading(answer: dict[str, Any], trial: Trial) -> None:
    """The second entry says whether a parameter is the same object after loading."""
    layer = nn.Linear(3, 2)
    before = layer.weight
    layer.load_state_dict(nn.Linear(3, 2).state_dict())
    is_new = layer.weight is not before
    found = tr("another object") if is_new else tr("the same object with other values")
    _settled(answer, "loading", is_new, tr("layer.weight before and after load_state_dict"), found, trial)


def knows_averages(answer: dict[str, Any], trial: Trial) -> None:
    """The third entry says what a forward pass under no_grad does to running averages."""
    norm = nn.BatchNorm1d(2)
    with torch.no_grad():
        norm(torch.ones(4, 2))
    means = norm.get_buffer("running_mean").tolist()
    is_kept = means == [0, 0]
    found = f"running_mean {[round(mean, 2) for mean in means]}"
    _settled(answer, "averages", is_kept, tr("a new nn.BatchNorm1d(2) on ones, in training mode"), found, trial)


def knows_adam(answer: dict[str, Any], trial: Trial) -> None:
    """The fourth entry says how far Adam goes at first."""
    moved = []
    for gradient in (1e-3, 1e3):
        weight = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        weight.grad = torch.full((1,), gradient, dtype=torch.float64)
        torch.optim.Adam([weight], lr=0.1).step()
        moved.append(abs(weight.item()))
    is_lr = all(abs(step - 0.1) < 0.01 for step in moved)
    found = tr("steps of {moved:.2f} and {moved2:.2f}", moved=moved[0], moved2=moved[1])
    _settled(answer, "adam", is_lr, tr("Adam with lr=0.1, gradients 0.001 and 1000"), found, trial)


def knows_sums(answer: dict[str, Any], trial: Trial) -> None:
    """The fifth entry says where adding 1 ends."""
    stuck = torch.tensor(2.0**24)
    arrives = bool(stuck + 1 > stuck)
    _settled(answer, "sum", arrives, "torch.tensor(16777216.0) + 1", f"{(stuck + 1).item():.0f}", trial)


def _settled(answer: dict[str, Any], claim: str, is_true: bool, run: str, found: str, trial: Trial) -> None:
    """Compare a verdict with what a live run shows; the report shows what was run and what came."""
    trial.plan(run, nudge=tr("Write the claim's prediction as a cell, and run it."))
    trial.require(
        answer[claim] is is_true,
        expected=tr("a verdict on {claim!r} that agrees with the run", claim=claim),
        got=f"{claim!r}: {answer[claim]}",
        remark=tr("The run gave {found}.", found=found),
    )


SOLUTION = {"empty": False, "loading": False, "averages": False, "adam": True, "sum": False}

EXERCISE = Exercise(
    name="settle_claims",
    notebook="15_fact_check",
    section="Five more claims",
    book=None,
    difficulty=2,
    minutes=15,
    task="Settle the five claims in the stub, which stand nowhere above: write True or False for each, and run a cell "
    "of your own where you are not sure.",
    stub=STUB,
    form=a_dict(empty=bool, loading=bool, averages=bool, adam=bool, sum=bool),
    requirements=(knows_empty_batches, knows_loading, knows_averages, knows_adam, knows_sums),
    rounds=1,
    hints=(
        "What is the smallest object on which the claim could fail, and which line shows it?",
        "torch.zeros(0, 3) is an empty batch; is compares objects; running_mean can be printed; weight.grad can be set "
        "by hand; 2**24 is the first integer after which float32 has gaps.",
        "Only one of the five is true, and it is about an optimizer.",
    ),
    solution=SOLUTION,
    why="An empty batch gives an empty result; loading copies values into the parameters that are there; running "
    "averages are buffers, which no_grad does not protect; Adam divides the gradient by its own size; and from 2**24 "
    "on float32 numbers are 2 apart.",
)
