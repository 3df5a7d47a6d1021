"""Wrong answers to ``unit_variance_init``."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.initialization.unit_variance_init import Answer, _stds, unit_variance_init
from tests.exercises.wrong_answers import WrongAnswer


def _walking(scale: Callable[..., Any], *, kind: type[nn.Module] = nn.Linear) -> Answer:
    """Return an answer that scales each layer of a kind, given what comes in, and the layer with its activation."""

    @torch.no_grad()
    def answer(net: nn.Sequential, X: torch.Tensor) -> None:
        for i, layer in enumerate(net):
            if isinstance(layer, kind):
                scale(layer, X, net[i : i + 2])
            X = layer(X)

    return answer


def _divide(layer: nn.Module, factor: torch.Tensor) -> None:
    for parameter in layer.parameters():
        parameter /= factor if factor.ndim == 0 or parameter.ndim == 1 else factor[:, None]


def _by_type(layer: nn.Linear, X: torch.Tensor, _: Any) -> None:
    if type(layer) is nn.Linear:
        _divide(layer, layer(X).std())


def _weights_alone(layer: nn.Linear, X: torch.Tensor, _: Any) -> None:
    for _ in range(30):
        layer.weight /= layer(X).std()


def _bias_expected(layer: nn.Linear, X: torch.Tensor, _: Any) -> None:
    std = layer(X).std()
    layer.weight /= std
    layer.bias /= std


def _new_parameters(layer: nn.Linear, X: torch.Tensor, _: Any) -> None:
    std = layer(X).std()
    for name, parameter in list(layer.named_parameters()):
        setattr(layer, name, nn.Parameter(parameter / std))


@torch.no_grad()
def _measured_at_first(net: nn.Sequential, X: torch.Tensor) -> None:
    for place, std in _stds(net, X).items():
        _divide(net[place], torch.tensor(std))


@torch.no_grad()
def _drawn_anew(net: nn.Sequential, X: torch.Tensor) -> None:
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    unit_variance_init(net, X)


def _recorded(net: nn.Sequential, X: torch.Tensor) -> None:
    for layer in net:
        if isinstance(layer, nn.Linear):
            std = layer(X).std()
            layer.weight /= std
            layer.bias /= std
        X = layer(X)


WRONG_ANSWERS = (
    WrongAnswer(_measured_at_first, "after those before it have been scaled", "All layers are measured in one run."),
    WrongAnswer(
        _walking(lambda layer, X, _: _divide(layer, layer(X).var())),
        "divided by the variance",
        "The exercise's name says variance.",
    ),
    WrongAnswer(
        _walking(lambda layer, X, _: _divide(layer, layer(X).std(0))),
        "Each unit has a factor",
        "Normalization works unit by unit.",
    ),
    WrongAnswer(
        _walking(lambda layer, *_: _divide(layer, layer.weight.std())),
        "look at what the layer gives",
        "Other initializers set the spread of the weights.",
    ),
    WrongAnswer(
        _walking(lambda layer, X, both: _divide(layer, both(X).std())),
        "behind the activation",
        "Layer and activation are taken as one.",
    ),
    WrongAnswer(_walking(_by_type), "its class is derived from nn.Linear", "The book's initializers ask for type(m)."),
    WrongAnswer(
        _walking(_weights_alone), "The bias is part of the output", "Initializers look at the weight above all."
    ),
    WrongAnswer(_drawn_anew, "changes the scale of its output", "Published methods draw orthogonal weights first."),
    WrongAnswer(_walking(_bias_expected), "layer.bias is None", "Most layers have a bias."),
    WrongAnswer(
        _walking(lambda layer, X, _: _divide(layer, layer(X).std()), kind=nn.Module),
        "others may have a weight",
        "What has parameters is scaled.",
    ),
    WrongAnswer(_walking(_new_parameters), "Write into the parameters", "An assignment looks like filling."),
    WrongAnswer(_recorded, "no part of a computation", "The division is written as in plain Python."),
)
