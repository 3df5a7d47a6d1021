"""Wrong answers to ``clipped_step``."""

import copy
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.mixed_precision.clipped_step import clipped_step
from tests.exercises.wrong_answers import WrongAnswer


def _backward(net: Any, X: Any, y: Any, optimizer: Any, scaler: Any) -> None:
    """Do what most answers begin with."""
    optimizer.zero_grad()
    scaler.scale(nn.functional.mse_loss(net(X), y)).backward()


def _clips_scaled(net: Any, X: Any, y: Any, optimizer: Any, scaler: Any, max_norm: float) -> float:
    _backward(net, X, y, optimizer, scaler)
    norm = nn.utils.clip_grad_norm_(net.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return norm.item()


def _clips_too_late(net: Any, X: Any, y: Any, optimizer: Any, scaler: Any, max_norm: float) -> float:
    _backward(net, X, y, optimizer, scaler)
    scaler.step(optimizer)
    norm = nn.utils.clip_grad_norm_(net.parameters(), max_norm)
    scaler.update()
    return norm.item()


def _norm_of_the_clipped(net: Any, X: Any, y: Any, optimizer: Any, scaler: Any, max_norm: float) -> float:
    _backward(net, X, y, optimizer, scaler)
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(net.parameters(), max_norm)
    norm = torch.cat([p.grad.flatten() for p in net.parameters()]).norm()
    scaler.step(optimizer)
    scaler.update()
    return norm.item()


def _norm_of_the_scaled(net: Any, X: Any, y: Any, optimizer: Any, scaler: Any, max_norm: float) -> float:
    _backward(net, X, y, optimizer, scaler)
    norm = torch.cat([p.grad.flatten() for p in net.parameters()]).norm()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(net.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return norm.item()


def _optimizer_steps(net: Any, X: Any, y: Any, optimizer: Any, scaler: Any, max_norm: float) -> float:
    _backward(net, X, y, optimizer, scaler)
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(net.parameters(), max_norm)
    optimizer.step()
    scaler.update()
    return norm.item()


def _never_updates(net: Any, X: Any, y: Any, optimizer: Any, scaler: Any, max_norm: float) -> float:
    _backward(net, X, y, optimizer, scaler)
    scaler.unscale_(optimizer)
    norm = nn.utils.clip_grad_norm_(net.parameters(), max_norm)
    scaler.step(optimizer)
    return norm.item()


def _trains_a_copy(net: Any, X: Any, y: Any, optimizer: Any, scaler: Any, max_norm: float) -> float:
    twin = copy.deepcopy(net)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    return clipped_step(twin, X, y, optimizer, scaler, max_norm)


def _does_not_clip(net: Any, X: Any, y: Any, optimizer: Any, scaler: Any, max_norm: float) -> float:
    return clipped_step(net, X, y, optimizer, scaler, max_norm + 1e6)


WRONG_ANSWERS = (
    WrongAnswer(_clips_scaled, "were scaled gradients clipped", "Without a scaler this is where clipping stands."),
    WrongAnswer(_clips_too_late, "not clipped, or not those", "After step() the gradients are true at last."),
    WrongAnswer(_does_not_clip, "not clipped, or not those", "clip_grad_norm_ serves to measure the norm as well."),
    WrongAnswer(_norm_of_the_clipped, "norm after clipping", "The norm is computed from what is there in the end."),
    WrongAnswer(_norm_of_the_scaled, "1024 times too large", "The norm is logged right after backward."),
    WrongAnswer(_optimizer_steps, "Who decides whether the step is taken", "The gradients are true already."),
    WrongAnswer(_never_updates, "nobody adapts", "The step is taken and is right; nothing seems to be missing."),
    WrongAnswer(_trains_a_copy, "was a copy trained", "A copy keeps the net that was handed over."),
)
