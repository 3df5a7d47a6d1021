"""Wrong answers to ``average_gradients``."""

import torch
from torch import nn

from d2lcompute.exercises.lessons.distributed.average_gradients import average_gradients
from tests.exercises.wrong_answers import WrongAnswer


def _sum(replicas: list[nn.Module]) -> None:
    average_gradients(replicas)
    for net in replicas:
        for p in net.parameters():
            if p.grad is not None:
                p.grad *= len(replicas)


def _first_only(replicas: list[nn.Module]) -> None:
    for same in zip(*(net.parameters() for net in replicas), strict=True):
        if same[0].grad is not None:
            same[0].grad = torch.stack([p.grad for p in same]).mean(dim=0)


def _parameters(replicas: list[nn.Module]) -> None:
    average_gradients(replicas)
    with torch.no_grad():
        for same in zip(*(net.parameters() for net in replicas), strict=True):
            for p in same:
                p -= 0.1 * p


def _one_tensor(replicas: list[nn.Module]) -> None:
    for same in zip(*(net.parameters() for net in replicas), strict=True):
        if same[0].grad is not None:
            mean = torch.stack([p.grad for p in same]).mean(dim=0)
            for p in same:
                p.grad = mean


def _zeros(replicas: list[nn.Module]) -> None:
    for net in replicas:
        for p in net.parameters():
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
    average_gradients(replicas)


def _not_frozen(replicas: list[nn.Module]) -> None:
    for same in zip(*(net.parameters() for net in replicas), strict=True):
        mean = sum(p.grad for p in same) / len(same)
        for p in same:
            p.grad = mean.clone()


WRONG_ANSWERS = (
    WrongAnswer(_sum, "not divided by the number of replicas", "all_reduce adds up, and backward adds up too."),
    WrongAnswer(_first_only, "still has its own gradient", "DataParallel collects gradients on the first GPU."),
    WrongAnswer(_parameters, "DDP averages gradients", "Averaging the gradients is for a step, so it is done."),
    WrongAnswer(_one_tensor, "share one gradient", "The mean is the same for all, so one tensor seems enough."),
    WrongAnswer(_zeros, "a gradient of zeros", "Zeros avoid the None that cannot be added."),
    WrongAnswer(_not_frozen, "What is grad of a parameter", "All parameters had gradients when it was tried."),
)
