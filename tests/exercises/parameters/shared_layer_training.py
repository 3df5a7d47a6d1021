"""Wrong answers to ``shared_layer_training``."""

import copy
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.parameters.shared_layer_training import Pairs, shared_layer_training
from tests.exercises.wrong_answers import WrongAnswer


def _never_emptied(net: Any, shared: Any, X: Any, y: Any, lr: float, steps: int) -> Pairs:
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    seen = []
    for _ in range(steps):
        nn.functional.mse_loss(net(X), y).backward()
        optimizer.step()
        seen.append((shared.weight.detach().clone(), shared.weight.grad.clone()))
    return seen


def _summed(net: Any, shared: Any, X: Any, y: Any, lr: float, steps: int) -> Pairs:
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        ((net(X) - y) ** 2).sum().backward()
        optimizer.step()
        seen.append((shared.weight.detach().clone(), shared.weight.grad.clone()))
    return seen


def _same_gradient_tensor(net: Any, shared: Any, X: Any, y: Any, lr: float, steps: int) -> Pairs:
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    seen = []
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=False)
        nn.functional.mse_loss(net(X), y).backward()
        optimizer.step()
        seen.append((shared.weight.detach().clone(), shared.weight.grad))
    return seen


def _same_weight_tensor(net: Any, shared: Any, X: Any, y: Any, lr: float, steps: int) -> Pairs:
    return [(shared.weight.data, gradient) for _, gradient in shared_layer_training(net, shared, X, y, lr, steps)]


def _before_the_step(net: Any, shared: Any, X: Any, y: Any, lr: float, steps: int) -> Pairs:
    start = shared.weight.detach().clone()
    seen = shared_layer_training(net, shared, X, y, lr, steps)
    weights = [start, *(weight for weight, _ in seen)]
    return [(weight, gradient) for weight, (_, gradient) in zip(weights, seen, strict=False)]


def _trains_a_copy(net: Any, shared: Any, X: Any, y: Any, lr: float, steps: int) -> Pairs:
    net, shared = copy.deepcopy((net, shared))
    return shared_layer_training(net, shared, X, y, lr, steps)


def _only_the_last(net: Any, shared: Any, X: Any, y: Any, lr: float, steps: int) -> Pairs:
    return shared_layer_training(net, shared, X, y, lr, steps)[-1:]


WRONG_ANSWERS = (
    WrongAnswer(_never_emptied, "what empties them between the steps", "backward() adds; the loop looks complete."),
    WrongAnswer(_summed, "summed up, not averaged", "The square is written out, and sum() comes to mind first."),
    WrongAnswer(
        _same_gradient_tensor,
        "which training fills anew",
        "Zeroing in place keeps one gradient tensor for all steps.",
    ),
    WrongAnswer(
        _same_weight_tensor, "which training goes on changing", "weight.data is taken for a copy of the values."
    ),
    WrongAnswer(_before_the_step, "weights before each step", "The pair is appended before the step is taken."),
    WrongAnswer(_trains_a_copy, "its copy was trained", "A copy protects the caller's net, who wants it trained."),
    WrongAnswer(_only_the_last, "one pair in each turn", "The list is made inside the loop."),
)
