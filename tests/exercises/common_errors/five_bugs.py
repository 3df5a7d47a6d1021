"""Wrong answers to ``five_bugs``: each has four mended, or breaks something while mending."""

from functools import partial
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


WRONG_ANSWERS = (
    WrongAnswer(
        partial(_fit, left="mode"),
        "in evaluation mode while it is trained",
        "eval() stands at the top and looks deliberate.",
    ),
    WrongAnswer(partial(_fit, left="in place"), "still needs its tensor", "X -= … reads like X = X - … to the eye."),
    WrongAnswer(
        partial(_fit, left="centre"),
        "not centred",
        "Taking the line out mends the in-place change, and the centring goes with it.",
    ),
    WrongAnswer(
        partial(_fit, left="softmax"),
        "has the softmax inside",
        "A softmax makes probabilities, and a loss seems to want them.",
    ),
    WrongAnswer(partial(_fit, left="zero_grad"), "what empties them", "Nothing raises, and the loss falls at first."),
    WrongAnswer(partial(_fit, left="graphs"), "store loss.item()", "The list prints well, and memory only grows."),
    WrongAnswer(partial(_fit, left="last"), "One loss for each step", "The last loss is the one that is looked at."),
)
