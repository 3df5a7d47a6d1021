"""Wrong answers to ``more_initializers``."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.initialization.more_initializers import more_initializers
from tests.exercises.wrong_answers import WrongAnswer


def _by_type(net: nn.Module) -> None:
    for module in net.modules():
        if type(module) is nn.Linear:
            more_initializers(module)


def _outermost(net: nn.Module) -> None:
    for module in net.children():
        if isinstance(module, nn.Linear):
            more_initializers(module)


def _weights_with(fill: Callable[[torch.Tensor], Any]) -> Callable[[nn.Module], None]:
    def answer(net: nn.Module) -> None:
        for module in net.modules():
            if isinstance(module, nn.Linear):
                more_initializers(module)
                fill(module.weight)

    return answer


def _biases_forgotten(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def _bias_expected(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)


def _by_name(net: nn.Module) -> None:
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")


def _new_parameters(net: nn.Module) -> None:
    for module in net.modules():
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(nn.init.kaiming_normal_(torch.empty_like(module.weight), nonlinearity="relu"))
            module.bias = None if module.bias is None else nn.Parameter(torch.zeros_like(module.bias))


WRONG_ANSWERS = (
    WrongAnswer(_by_type, "isinstance sees that it is", "The book's initializers ask for type(m)."),
    WrongAnswer(_outermost, "values that nn.Linear starts with", "children() stops after one level."),
    WrongAnswer(
        _weights_with(nn.init.kaiming_uniform_), "a normal one has tails", "There are two functions of that name."
    ),
    WrongAnswer(_weights_with(nn.init.xavier_normal_), "That is Xavier's rule", "It is the book's initializer."),
    WrongAnswer(
        _weights_with(lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="linear")),
        "The gain for ReLU is missing",
        "The layer is linear, so the gain is taken to be that of linear.",
    ),
    WrongAnswer(
        _weights_with(lambda weight: nn.init.kaiming_normal_(weight, mode="fan_out")),
        "counts the inputs",
        "Code for convolutions says fan_out.",
    ),
    WrongAnswer(
        _weights_with(lambda weight: nn.init.normal_(weight, std=2 / weight.shape[1])),
        "2 / inputs is the variance",
        "The formula gives a variance, normal_ takes a standard deviation.",
    ),
    WrongAnswer(_biases_forgotten, "Which values has a new bias", "A new bias is believed to be 0."),
    WrongAnswer(_bias_expected, "of a layer that has none", "Most layers have a bias."),
    WrongAnswer(_by_name, "Which layers are linear ones", "What has two axes or more is taken for linear."),
    WrongAnswer(_new_parameters, "Fill a parameter in place", "An assignment looks like filling."),
)
