"""Wrong answers to ``accumulate_gradients``."""

import torch
from torch import nn

from tests.exercises.wrong_answers import WrongAnswer


def _parts(net: nn.Module, X: torch.Tensor, y: torch.Tensor, size: int) -> list[torch.Tensor]:
    return [
        nn.functional.mse_loss(net(part), target) for part, target in zip(X.split(size), y.split(size), strict=True)
    ]


def _not_divided(net: nn.Module, X: torch.Tensor, y: torch.Tensor, size: int) -> None:
    net.zero_grad()
    for part, target in zip(X.split(size), y.split(size), strict=True):
        nn.functional.mse_loss(net(part), target).backward()


def _equal_shares(net: nn.Module, X: torch.Tensor, y: torch.Tensor, size: int) -> None:
    net.zero_grad()
    parts = list(zip(X.split(size), y.split(size), strict=True))
    for part, target in parts:
        (nn.functional.mse_loss(net(part), target) / len(parts)).backward()


def _emptied_each_time(net: nn.Module, X: torch.Tensor, y: torch.Tensor, size: int) -> None:
    for part, target in zip(X.split(size), y.split(size), strict=True):
        net.zero_grad()
        nn.functional.mse_loss(net(part), target).backward()


def _summed(net: nn.Module, X: torch.Tensor, y: torch.Tensor, size: int) -> None:
    net.zero_grad()
    for part, target in zip(X.split(size), y.split(size), strict=True):
        nn.functional.mse_loss(net(part), target, reduction="sum").backward()


def _all_at_once(net: nn.Module, X: torch.Tensor, y: torch.Tensor, size: int) -> None:
    net.zero_grad()
    nn.functional.mse_loss(net(X), y).backward()


def _one_backward(net: nn.Module, X: torch.Tensor, y: torch.Tensor, size: int) -> None:
    net.zero_grad()
    losses = _parts(net, X, y, size)
    shares = [len(part) / len(X) for part in X.split(size)]
    total = torch.stack([loss * share for loss, share in zip(losses, shares, strict=True)]).sum()
    total.backward()


def _never_emptied(net: nn.Module, X: torch.Tensor, y: torch.Tensor, size: int) -> None:
    for part, target in zip(X.split(size), y.split(size), strict=True):
        (nn.functional.mse_loss(net(part), target) * len(part) / len(X)).backward()


WRONG_ANSWERS = (
    WrongAnswer(_not_divided, "not weighted", "backward adds, so nothing seems left to do."),
    WrongAnswer(_equal_shares, "weigh too much", "That is right as long as all parts have the same size."),
    WrongAnswer(_emptied_each_time, "what emptied those", "zero_grad() before backward is a habit."),
    WrongAnswer(_summed, "summed up, not averaged", "Sums of parts add up without any weights."),
    WrongAnswer(_all_at_once, "split it before", "It is the reference, and gives the right numbers."),
    WrongAnswer(_one_backward, "alive together", "One loss, one backward: it reads like any training step."),
    WrongAnswer(_never_emptied, "empty it once", "On a fresh net there is nothing to empty."),
)
