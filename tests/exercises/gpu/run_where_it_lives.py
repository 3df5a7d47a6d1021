"""Wrong answers to ``run_where_it_lives``."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.gpu.run_where_it_lives import run_where_it_lives
from tests.exercises.wrong_answers import WrongAnswer


def _as_it_is(net: nn.Module, X: torch.Tensor) -> Any:
    return net(X)


def _to_the_first(net: nn.Module, X: torch.Tensor) -> Any:
    return net(X.to("cuda"))


def _net_of_linear(net: Any, X: torch.Tensor) -> Any:
    return net(X.to(net[0].weight.device))


def _to_and_forgotten(net: nn.Module, X: torch.Tensor) -> Any:
    X.to(next(net.parameters()).device)
    return net(X)


def _not_run(net: nn.Module, X: torch.Tensor) -> Any:
    return X.to(next(net.parameters()).device)


def _fetched(net: nn.Module, X: torch.Tensor) -> Any:
    return run_where_it_lives(net, X).cpu()


def _net_to_x(net: nn.Module, X: torch.Tensor) -> Any:
    device = next(net.parameters()).device
    return net.to(X.device)(X).to(device)


def _x_itself(net: nn.Module, X: torch.Tensor) -> Any:
    X.data = X.to(next(net.parameters()).device)
    return net(X)


def _in_place(net: nn.Module, X: torch.Tensor) -> Any:
    return run_where_it_lives(net, X.tanh_())


WRONG_ANSWERS = (
    WrongAnswer(_as_it_is, "How does one ask any net", "On a machine without a GPU everything is in one place."),
    WrongAnswer(_to_the_first, "How does one ask any net", '"cuda" means the first card, and most have only one.'),
    WrongAnswer(_net_of_linear, "How does one ask any net", "In the notebook the net is a single linear layer."),
    WrongAnswer(_to_and_forgotten, "How does one ask any net", "A module's .to works in place, a tensor's not."),
    WrongAnswer(_not_run, "the net itself was not called", "The device is the whole trouble, so the rest is lost."),
    WrongAnswer(_fetched, "The result is to stay", "A result is mostly printed next, which needs the CPU."),
    WrongAnswer(_net_to_x, "The net was moved", "net.to(X.device) makes the error go away as well."),
    WrongAnswer(_x_itself, "X itself was moved", ".data lets one put another tensor into X."),
    WrongAnswer(_in_place, "its values were changed in place", "An in-place step seems to save memory."),
)
