"""Wrong answers to ``mean_of_losses``."""

from collections.abc import Iterator
from typing import Any

import torch

from tests.exercises.wrong_answers import WrongAnswer


def _sum_of_tensors(losses: Iterator[torch.Tensor]) -> Any:
    total, count = torch.zeros(()), 0
    for loss in losses:
        total, count = total + loss, count + 1
    return total.item() / count


def _list_of_tensors(losses: Iterator[torch.Tensor]) -> Any:
    return torch.stack(list(losses)).mean().item()


def _returns_a_tensor(losses: Iterator[torch.Tensor]) -> Any:
    kept = [loss.detach() for loss in losses]
    return torch.stack(kept).mean()


def _cuts(losses: Iterator[torch.Tensor]) -> Any:
    return torch.stack([loss.detach_() for loss in losses]).mean().item()


def _adds_into_the_first(losses: Iterator[torch.Tensor]) -> Any:
    total, count = next(losses).detach(), 1
    for loss in losses:
        total += loss.detach()
        count += 1
    return total.item() / count


def _sums(losses: Iterator[torch.Tensor]) -> Any:
    return sum(loss.item() for loss in losses)


def _last(losses: Iterator[torch.Tensor]) -> Any:
    return [loss.item() for loss in losses][-1]


WRONG_ANSWERS = (
    WrongAnswer(_sum_of_tensors, "the memory grows", "total + loss looks like adding up numbers."),
    WrongAnswer(_list_of_tensors, "the memory grows", "Stacking at the end is one tidy line."),
    WrongAnswer(_returns_a_tensor, "which item() takes out", "A tensor of one element prints like a number."),
    WrongAnswer(_cuts, "cut off from its graph for everybody", "detach_ and detach are one character apart."),
    WrongAnswer(_adds_into_the_first, "Whose tensor", "detach() is taken for a copy, and += writes into it."),
    WrongAnswer(_sums, "That is the sum", "The division is forgotten."),
    WrongAnswer(_last, "That is the last loss", "The variable of the loop is returned."),
)
