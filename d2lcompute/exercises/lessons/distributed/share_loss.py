"""A loss whose average over ranks counts each example once."""

# The learner's solution reads .grad and calls backward as everybody does; torch's typing wants more.
# mypy: disable-error-code="no-untyped-call, union-attr"

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def share_loss(net, X, y, total, size):
    raise NotImplementedError
"""


def share_loss(net: nn.Module, X: torch.Tensor, y: torch.Tensor, total: int, size: int) -> torch.Tensor:
    """Add up over the share; divide by all examples, and undo DDP's division by size."""
    return nn.functional.cross_entropy(net(X), y, reduction="sum") * size / total


def averages_to_the_whole(answer: Any, trial: Trial) -> None:
    """The gradients, averaged over the ranks, are those of the mean loss over all examples, also of unequal shares."""
    net, shares, total = _task(trial, trial.sizes(trial.size(2, 4), 1, 9))
    size = len(shares)
    X, y = (torch.cat(parts) for parts in zip(*shares, strict=True))
    expected = _gradient(net, nn.functional.cross_entropy(net(X), y))
    means, sums = (
        [_gradient(net, nn.functional.cross_entropy(net(X), y, reduction=kind)) for X, y in shares]
        for kind in ("mean", "sum")
    )

    losses = [trial.call(answer, net, X, y, total, size) for X, y in shares]

    for loss in losses:
        graph = isinstance(loss, torch.Tensor) and loss.requires_grad and loss.dim() == 0
        remark = (
            tr("It gave None: is a return missing?") if loss is None else tr("backward() starts here: return the loss.")
        )
        trial.require(graph, expected=tr("a loss for backward(): one number with its history"), got=loss, remark=remark)
    mistakes = {
        tr("Each rank takes the mean over its own share, so that an example in a small share weighs more."): sum(means)
        / size,
        tr("DDP divides by the number of ranks once more: make up for it."): sum(sums) / total / size,
        tr("Each example counts the same, and nothing divides by how many there are."): sum(sums) / size,
    }
    trial.same(
        sum(_gradient(net, loss) for loss in losses) / size,
        expected,
        what=tr("the averaged gradient"),
        mistakes=mistakes,
    )


def bears_an_empty_share(answer: Any, trial: Trial) -> None:
    """A rank without examples has loss 0, and takes part: each parameter gets a gradient, of zeros."""
    net, shares, total = _task(trial, [0, trial.size(2, 6)])
    trial.nudge = tr("What is the mean of no numbers, and what is their sum?")
    X, y = shares[0]

    loss = trial.call(answer, net, X, y, total, 2)
    found = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)

    trial.require(
        all(gradient is not None for gradient in found),
        expected=tr("a gradient for each parameter"),
        got="None",
        remark=tr(
            "The loss does not come from the net: DDP waits for each parameter's gradient, and so do the others."
        ),
    )
    gradient = torch.cat([part.flatten() for part in found])
    trial.same(gradient, torch.zeros_like(gradient), what=tr("the gradient"))
    trial.require(
        loss.item() == 0,
        expected=tr("a loss of 0"),
        got=tr("a loss of {loss}", loss=loss.item()),
        remark=tr("The mean of no numbers is NaN, and stays it whatever it is multiplied by."),
    )


def _task(trial: Trial, lengths: list[int]) -> tuple[nn.Module, list[tuple[torch.Tensor, torch.Tensor]], int]:
    """Draw a net, and shares of these lengths."""
    width, classes = trial.size(3, 5), trial.size(3, 5)
    net = nn.Linear(width, classes)
    total = sum(lengths)
    text = tr(
        "{lengths_count} ranks with {lengths} examples, a net of {width} inputs",
        lengths_count=len(lengths),
        lengths=", ".join(map(str, lengths)),
        width=width,
    )
    trial.plan(text, nudge=tr("By how much must one example's loss be multiplied, wherever it is?"))
    shares = [(trial.tensor(n, width), torch.randint(classes, (n,))) for n in lengths]
    return net, shares, total


def _gradient(net: nn.Module, loss: torch.Tensor) -> torch.Tensor:
    """Return the gradient of a loss by all parameters, end to end."""
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(net.parameters()))])


EXERCISE = Exercise(
    name="share_loss",
    notebook="13_distributed",
    section="The average of the gradients",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write the loss that a rank computes on its share X, y of total examples, so that averaging the gradients "
    "over size ranks gives the gradient of the mean cross-entropy over all, also when the shares are unequal or empty.",
    stub=STUB,
    form=a_function,
    requirements=(averages_to_the_whole, bears_an_empty_share),
    hints=(
        "The average over ranks divides by size: what must the ranks' losses add up to?",
        "Start from the sum over the share, which also exists for no examples; then each example counts the same.",
        'cross_entropy(..., reduction="sum") divided by total would be right if the ranks\' gradients were added up; '
        "they are averaged, so multiply by size.",
    ),
    solution=share_loss,
    why="The average over size ranks of size / total times the sums is the sum over all examples divided by total; "
    "a sum over nothing is zero, and still comes from the net, so that each parameter has its gradient.",
)
