"""Wrong answers to ``mismatched_sizes``."""

import copy
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.lazy_initialization.mismatched_sizes import mismatched_sizes
from tests.exercises.wrong_answers import WrongAnswer


def _index_of_failure(layers: Any, X: torch.Tensor) -> Any:
    """Call one layer after the other; the wrong answers differ in what they hand over."""
    for i, layer in enumerate(layers):
        try:
            X = layer(X)
        except (RuntimeError, ValueError):
            return i
    return None


def _from_the_sizes(net: nn.Sequential, _X: torch.Tensor) -> Any:
    width = None
    for i, layer in enumerate(net):
        if isinstance(layer, nn.Linear):
            if width is not None and layer.in_features != width:
                return i
            width = layer.out_features
    return None


def _one_before(net: nn.Sequential, X: torch.Tensor) -> Any:
    index = mismatched_sizes(net, X)
    return None if index is None else index - 1


def _the_last(net: nn.Sequential, X: torch.Tensor) -> Any:
    index = None
    for i, layer in enumerate(copy.deepcopy(net)):
        try:
            X = layer(X)
        except (RuntimeError, ValueError):
            index = i
    return index


def _zero_is_false(net: nn.Sequential, X: torch.Tensor) -> Any:
    return mismatched_sizes(net, X) or None


def _by_children(net: nn.Sequential, X: torch.Tensor) -> Any:
    return _index_of_failure(copy.deepcopy(net).children(), X)


def _minus_one(net: nn.Sequential, X: torch.Tensor) -> Any:
    index = mismatched_sizes(net, X)
    return -1 if index is None else index


def _on_the_net(net: nn.Sequential, X: torch.Tensor) -> Any:
    return _index_of_failure(net, X)


def _shallow_copy(net: nn.Sequential, X: torch.Tensor) -> Any:
    return _index_of_failure(copy.copy(net), X)


def _stays_in_eval(net: nn.Sequential, X: torch.Tensor) -> Any:
    net.eval()
    return mismatched_sizes(net, X)


WRONG_ANSWERS = (
    WrongAnswer(_from_the_sizes, "look at what really arrives", "The numbers stand in the layers, so why run it."),
    WrongAnswer(_one_before, "the place of the layer before", "The data got that far."),
    WrongAnswer(_the_last, "proves nothing", "The loop goes on after an error, with the old X."),
    WrongAnswer(_zero_is_false, "0 counts as false", "'or None' looks like a default."),
    WrongAnswer(_by_children, "counts twice", "children() is how the English book walks through a net."),
    WrongAnswer(_minus_one, "there is no layer to name", "Other searches say -1 for 'not found'."),
    WrongAnswer(_on_the_net, "no way back from Linear", "Nothing in the loop looks as if it changed the net."),
    WrongAnswer(_shallow_copy, "no way back from Linear", "copy.copy copies the net, but not its layers."),
    WrongAnswer(_stays_in_eval, "would train in eval mode", "eval() keeps the statistics; the way back is missing."),
)
