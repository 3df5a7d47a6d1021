"""Wrong answers to ``freeze_all_but``."""

from typing import Any

from torch import nn

from d2lcompute.exercises.lessons.parameters.freeze_all_but import freeze_all_but
from tests.exercises.wrong_answers import WrongAnswer


def _contains(net: nn.Module, prefix: str) -> Any:
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(prefix in name)
    return [name for name, _ in net.named_parameters() if name.startswith(prefix)]


def _first_part(net: nn.Module, prefix: str) -> Any:
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.split(".")[0] == prefix.strip("."))
    return [name for name, parameter in net.named_parameters() if parameter.requires_grad]


def _modules(net: nn.Module, prefix: str) -> Any:
    for name, module in net.named_modules():
        if not name.startswith(prefix.strip(".")):
            module.requires_grad = False
    return [name for name, _ in net.named_parameters() if name.startswith(prefix)]


def _state_dict(net: nn.Module, prefix: str) -> Any:
    for name, values in net.state_dict().items():
        values.requires_grad_(name.startswith(prefix))
    return [name for name in net.state_dict() if name.startswith(prefix)]


def _only_freezes(net: nn.Module, prefix: str) -> Any:
    chosen = []
    for name, parameter in net.named_parameters():
        if name.startswith(prefix):
            chosen.append(name)
        else:
            parameter.requires_grad_(False)
    return chosen


def _frozen_names(net: nn.Module, prefix: str) -> Any:
    freeze_all_but(net, prefix)
    return [name for name, parameter in net.named_parameters() if not parameter.requires_grad]


def _names_below(net: nn.Module, prefix: str) -> Any:
    net.requires_grad_(False)
    block = net.get_submodule(prefix.strip(".")).requires_grad_()
    return [name for name, _ in block.named_parameters()]


def _nothing(net: nn.Module, prefix: str) -> Any:
    freeze_all_but(net, prefix)


WRONG_ANSWERS = (
    WrongAnswer(_contains, "where does it begin?", "in is shorter than startswith, and right for most nets."),
    WrongAnswer(_first_part, "Which names begin with the prefix?", "The first part of the name is compared."),
    WrongAnswer(_modules, "an attribute that nobody reads", "Python lets one set any attribute on a module."),
    WrongAnswer(_state_dict, "changes other tensor objects", "Its tensors have the net's memory, not its flags."),
    WrongAnswer(_only_freezes, "What was frozen earlier", "The net is taken to be all trainable at first."),
    WrongAnswer(_frozen_names, "those that were frozen", "The names are collected in the other branch."),
    WrongAnswer(_names_below, "have lost their beginning", "A block by itself names only what is below it."),
    WrongAnswer(_nothing, "is a return missing?", "The work on the net is done, and the names are forgotten."),
)
