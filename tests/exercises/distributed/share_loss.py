"""Wrong answers to ``share_loss``."""

import torch
from torch import nn

from tests.exercises.wrong_answers import WrongAnswer


def _loss(net: nn.Module, X: torch.Tensor, y: torch.Tensor, reduction: str) -> torch.Tensor:
    """Compute the loss for the wrong answers, which differ in how they scale it."""
    return nn.functional.cross_entropy(net(X), y, reduction=reduction)


def _mean(net: nn.Module, X: torch.Tensor, y: torch.Tensor, *_: int) -> torch.Tensor:
    return _loss(net, X, y, "mean")


def _sum(net: nn.Module, X: torch.Tensor, y: torch.Tensor, *_: int) -> torch.Tensor:
    return _loss(net, X, y, "sum")


def _without_size(net: nn.Module, X: torch.Tensor, y: torch.Tensor, total: int, _: int) -> torch.Tensor:
    return _loss(net, X, y, "sum") / total


def _scaled_mean(net: nn.Module, X: torch.Tensor, y: torch.Tensor, total: int, size: int) -> torch.Tensor:
    return _loss(net, X, y, "mean") * len(X) * size / total


def _zero_if_empty(net: nn.Module, X: torch.Tensor, y: torch.Tensor, total: int, size: int) -> torch.Tensor:
    return _loss(net, X, y, "sum") * size / total if len(X) else torch.zeros((), requires_grad=True)


def _number(net: nn.Module, X: torch.Tensor, y: torch.Tensor, total: int, size: int) -> float:
    return _loss(net, X, y, "sum").item() * size / total


WRONG_ANSWERS = (
    WrongAnswer(_mean, "in a small share weighs more", "cross_entropy takes the mean unless it is told otherwise."),
    WrongAnswer(_sum, "nothing divides by how many", "The sum treats all examples alike, and nothing is left to do."),
    WrongAnswer(_without_size, "make up for it", "Dividing by all examples gives the mean in one process."),
    WrongAnswer(_scaled_mean, "The mean of no numbers is NaN", "Weighting the mean is right for all other shares."),
    WrongAnswer(_zero_if_empty, "does not come from the net", "Zero is the right value of the loss."),
    WrongAnswer(_number, "return the loss", "A loss is a number, as logs show it."),
)
