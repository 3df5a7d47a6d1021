"""Wrong answers to ``predict_classes``."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.training.predict_classes import Batches
from tests.exercises.wrong_answers import WrongAnswer


def _restoring(net: nn.Module, run: Callable[[], Any]) -> Any:
    """Run with the modes put back afterwards: the wrong answers below err elsewhere."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    with torch.no_grad():
        came = run()
    for module, training in modes.items():
        module.training = training
    return came


def _no_eval(net: nn.Module, loader: Batches) -> Any:
    state = copy.deepcopy(net.state_dict())
    with torch.no_grad():
        classes = torch.cat([net(X).argmax(1) for X, _ in loader])
    net.load_state_dict(state)
    return classes


def _scores(net: nn.Module, loader: Batches) -> Any:
    return _restoring(net, lambda: torch.cat([net(X) for X, _ in loader]))


def _columns(net: nn.Module, loader: Batches) -> Any:
    return _restoring(net, lambda: torch.cat([net(X).argmax(0) for X, _ in loader]))


def _values(net: nn.Module, loader: Batches) -> Any:
    return _restoring(net, lambda: torch.cat([net(X).max(1)[0] for X, _ in loader]))


def _last_batch(net: nn.Module, loader: Batches) -> Any:
    return _restoring(net, lambda: [net(X).argmax(1) for X, _ in loader][-1])


def _list(net: nn.Module, loader: Batches) -> Any:
    return _restoring(net, lambda: [net(X).argmax(1) for X, _ in loader])


def _stays_in_eval(net: nn.Module, loader: Batches) -> Any:
    net.eval()
    with torch.no_grad():
        return torch.cat([net(X).argmax(1) for X, _ in loader])


def _trains_all(net: nn.Module, loader: Batches) -> Any:
    training = net.training
    classes = _stays_in_eval(net, loader)
    net.train(training)
    return classes


def _records(net: nn.Module, loader: Batches) -> Any:
    def run() -> Any:
        with torch.enable_grad():
            return torch.cat([net(X).argmax(1) for X, _ in loader])

    return _restoring(net, run)


WRONG_ANSWERS = (
    WrongAnswer(_no_eval, "compute differently in training mode", "no_grad() is taken for evaluation mode."),
    WrongAnswer(_scores, "These are the scores", "The net's output is taken for the prediction."),
    WrongAnswer(_columns, "down the columns", "argmax(0) looks like the first thing to try."),
    WrongAnswer(_values, "not its place", "max returns values and places, the values first."),
    WrongAnswer(_last_batch, "Only the last batch", "The variable is filled anew in each turn of the loop."),
    WrongAnswer(_list, "into one tensor", "A list of batches is what the loop gives."),
    WrongAnswer(_stays_in_eval, "stays in evaluation mode", "Nothing fails when the mode is forgotten."),
    WrongAnswer(_trains_all, "has lost its mode", "The net's own flag seems to speak for all its parts."),
    WrongAnswer(_records, "which switch turns recording off", "eval() is taken for no_grad()."),
)
