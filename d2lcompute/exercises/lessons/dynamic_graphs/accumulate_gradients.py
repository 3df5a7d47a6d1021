"""The gradient of a batch that does not fit, part by part."""

# mypy: disable-error-code="no-untyped-call"
# backward() is untyped in torch.

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def accumulate_gradients(net, X, y, size):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module, torch.Tensor, torch.Tensor, int], Any]


def accumulate_gradients(net: nn.Module, X: torch.Tensor, y: torch.Tensor, size: int) -> None:
    """Go through the parts, and weight the mean of each by its share of the examples."""
    net.zero_grad()
    for part, targets in zip(X.split(size), y.split(size), strict=True):
        loss = nn.functional.mse_loss(net(part), targets)
        (loss * len(part) / len(X)).backward()


def equals_the_whole_batch(answer: Answer, trial: Trial) -> None:
    """The gradients are those of the mean squared error over all examples, also if the last part is smaller."""
    net, X, y, size = _task(trial, nudge=tr("Which share of all the examples does each part have?"))
    expected = _gradients(net, X, y, [1.0], len(X))
    starts = range(0, len(X), size)
    parts = len(starts)
    mistakes = {
        tr("Each part counts as much as the whole batch: the means were added up, not weighted."): [1.0] * parts,
        tr("Each part counts alike, but the last is smaller: its examples weigh too much."): [1 / parts] * parts,
        tr("Only the last part has left a gradient: what emptied those of the others?"): [0.0] * (parts - 1) + [1.0],
        tr("The squared errors are summed up, not averaged."): [
            float(len(X[start : start + size])) for start in starts
        ],
    }
    known = {remark: _gradients(net, X, y, weights, size) for remark, weights in mistakes.items()}

    trial.call(answer, net, X, y, size)

    came = [parameter.grad for parameter in net.parameters()]
    trial.same(came, expected, what=tr("the gradients"), mistakes=known)


def holds_one_part_at_a_time(answer: Answer, trial: Trial) -> None:
    """At most size examples go through the net at once, and each part is traced back before the next is computed."""
    net, X, y, size = _task(trial, nudge=tr("When is the graph of a part freed?"))
    events: list[str] = []
    sizes: list[int] = []

    def note(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        sizes.append(len(inputs[0]))
        events.append("forward")
        if output.requires_grad:
            output.register_hook(lambda gradient: events.append("backward"))  # noqa: ARG005

    net.register_forward_hook(note)
    trial.call(answer, net, X, y, size)

    trial.require(
        max(sizes, default=0) <= size,
        expected=tr("at most {size} examples at once", size=size),
        got=tr("{sizes} examples at once", sizes=max(sizes, default=0)),
        remark=tr("The batch is supposed to be too large: split it before the net sees it."),
    )
    trial.require(
        "forward forward" not in " ".join(events),
        expected=tr("forward, backward, forward, backward, and so on"),
        got=tr("{events}, and so on", events=", ".join(events[:4])),
        remark=tr(
            "The graphs of several parts are alive together, so the memory is that of the whole "
            "batch: call backward for each part."
        ),
    )


def starts_from_nothing(answer: Answer, trial: Trial) -> None:
    """Gradients that were there before have no part in the result."""
    net, X, y, size = _task(trial, nudge=tr("What does backward do with what is in grad?"))
    X, y = X[:size], y[:size]
    trial.input = tr("{size} examples in one part, with gradients left from before", size=size)
    expected = _gradients(net, X, y, [1.0], len(X))
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    added = [gradient + 1 for gradient in expected]

    trial.call(answer, net, X, y, size)

    came = [parameter.grad for parameter in net.parameters()]
    remark = tr("What was in grad before was added to: empty it once, before the first part.")
    trial.same(came, expected, what=tr("the gradients"), mistakes={remark: added})


def _task(trial: Trial, *, nudge: str) -> tuple[nn.Module, torch.Tensor, torch.Tensor, int]:
    """Draw a net, a batch and the size of its parts, which leaves a smaller one at the end."""
    width, hidden = trial.sizes(2)
    size = trial.size(4, 6)
    rows = size * trial.size(2, 3) + trial.size(1, size - 2)
    trial.plan(tr("{rows} examples in parts of {size}", rows=rows, size=size), nudge=nudge)
    net = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, 1)).double()
    return net, trial.tensor(rows, width, dtype=torch.float64), trial.tensor(rows, 1, dtype=torch.float64), size


def _gradients(net: nn.Module, X: torch.Tensor, y: torch.Tensor, weights: list[float], size: int) -> list[torch.Tensor]:
    """Return the gradients of the weighted sum of the parts' mean squared errors."""
    net = copy.deepcopy(net)
    errors = [((net(part) - target) ** 2).mean() for part, target in zip(X.split(size), y.split(size), strict=True)]
    total = torch.stack([weight * error for weight, error in zip(weights, errors, strict=True)]).sum()
    return list(torch.autograd.grad(total, list(net.parameters())))


EXERCISE = Exercise(
    name="accumulate_gradients",
    notebook="09_dynamic_graphs",
    section="Gradient accumulation",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that fills net's gradients with those of the mean squared error over the whole batch, while "
    "at most size examples go through the net at a time; the last part may be smaller.",
    stub=STUB,
    form=a_function,
    requirements=(equals_the_whole_batch, holds_one_part_at_a_time, starts_from_nothing),
    hints=(
        "If a part holds 2 of 10 examples, how much of the whole batch's mean is the mean of that part?",
        "Empty the gradients once; then, for each part, multiply its loss by its share and call backward.",
        "for part, targets in zip(X.split(size), y.split(size)): the loss is nn.functional.mse_loss(net(part), targets)"
        " * len(part) / len(X).",
    ),
    solution=accumulate_gradients,
    why="backward adds to grad, so the parts' gradients add up; a mean over n of N examples is n / N of the whole "
    "mean; and each backward frees its part's graph before the next is made.",
)
