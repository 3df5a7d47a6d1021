"""Wrong answers to ``five_bugs``: each has four mended, or breaks something while mending."""

from typing import Any

import torch
from torch import nn

from tests.exercises.wrong_answers import WrongAnswer


def _fit(
    net: nn.Module,
    X: torch.Tensor,
    y: torch.Tensor,
    steps: int,
    *,
    left: str,
) -> Any:
    """Train with one bug left."""
    net.train(left != "mode")
    if left == "in place":
        X -= X.mean(dim=0)
    elif left != "centre":
        X = X - X.mean(dim=0)
    optimizer, losses = torch.optim.SGD(net.parameters(), lr=0.5), []
    for _ in range(steps):
        scores = net(X).softmax(dim=1) if left == "softmax" else net(X)
        loss = nn.functional.cross_entropy(scores, y)
        if left != "zero_grad":
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss if left == "graphs" else loss.item())
    return losses[-1] if left == "last" else losses


def _with_eval(net: nn.Module, X: torch.Tensor, y: torch.Tensor, steps: int) -> Any:
    return _fit(net, X, y, steps, left="mode")


def _in_place(net: nn.Module, X: torch.Tensor, y: torch.Tensor, steps: int) -> Any:
    return _fit(net, X, y, steps, left="in place")


def _not_centred(net: nn.Module, X: torch.Tensor, y: torch.Tensor, steps: int) -> Any:
    return _fit(net, X, y, steps, left="centre")


def _two_softmaxes(net: nn.Module, X: torch.Tensor, y: torch.Tensor, steps: int) -> Any:
    return _fit(net, X, y, steps, left="softmax")


def _added_up(net: nn.Module, X: torch.Tensor, y: torch.Tensor, steps: int) -> Any:
    return _fit(net, X, y, steps, left="zero_grad")


def _with_graphs(net: nn.Module, X: torch.Tensor, y: torch.Tensor, steps: int) -> Any:
    return _fit(net, X, y, steps, left="graphs")


def _last_loss(net: nn.Module, X: torch.Tensor, y: torch.Tensor, steps: int) -> Any:
    return _fit(net, X, y, steps, left="last")


WRONG_ANSWERS = (
    WrongAnswer(_with_eval, "in evaluation mode while it is trained", "eval() stands at the top and looks deliberate."),
    WrongAnswer(_in_place, "still needs its tensor", "X -= … reads like X = X - … to the eye."),
    WrongAnswer(
        _not_centred, "not centred", "Taking the line out mends the in-place change, and the centring goes with it."
    ),
    WrongAnswer(
        _two_softmaxes, "has the softmax inside", "A softmax makes probabilities, and a loss seems to want them."
    ),
    WrongAnswer(_added_up, "what empties them", "Nothing raises, and the loss falls at first."),
    WrongAnswer(_with_graphs, "store loss.item()", "The list prints well, and memory only grows."),
    WrongAnswer(_last_loss, "One loss for each step", "The last loss is the one that is looked at."),
)
