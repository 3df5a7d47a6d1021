"""Wrong answers to ``untie``."""

import copy
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.parameters.untie import untie
from tests.exercises.wrong_answers import WrongAnswer


def _deepcopy(net: nn.Module) -> Any:
    return copy.deepcopy(net)


def _by_parameters(net: nn.Module) -> Any:
    net = copy.deepcopy(net)
    for name, parameter in list(net.named_parameters()):
        path, _, last = name.rpartition(".")
        setattr(net.get_submodule(path), last, copy.deepcopy(parameter))
    return net


def _by_children(net: nn.Module) -> Any:
    net = copy.deepcopy(net)
    for name, child in net.named_children():
        setattr(net, name, _by_children(child))
    return net


def _in_one_memory(net: nn.Module) -> Any:
    net = untie(net)
    first: dict[torch.Size, nn.Parameter] = {}
    for _, parameter in net.named_parameters():
        parameter.data = first.setdefault(parameter.shape, parameter).data
    return net


def _values_drawn_anew(net: nn.Module) -> Any:
    net = untie(net)
    for parameter in net.parameters():
        nn.init.normal_(parameter)
    return net


def _thawed(net: nn.Module) -> Any:
    return untie(net).requires_grad_()


def _the_net_itself(net: nn.Module) -> Any:
    for name, child in net._modules.items():
        setattr(net, name, _the_net_itself(copy.deepcopy(child)))
    for name, parameter in net.named_parameters(recurse=False, remove_duplicate=False):
        setattr(net, name, copy.deepcopy(parameter))
    return net


def _shallow(net: nn.Module) -> Any:
    return _the_net_itself(copy.copy(net))


def _layers_alone(net: nn.Module) -> Any:
    net = copy.deepcopy(net)
    for path, module in list(net.named_modules(remove_duplicate=False)):
        if path:
            parent, _, name = path.rpartition(".")
            setattr(net.get_submodule(parent), name, copy.deepcopy(module))
    return net


WRONG_ANSWERS = (
    WrongAnswer(_deepcopy, "A deep copy keeps what is tied", "A deep copy is expected to copy everything."),
    WrongAnswer(_by_parameters, "meet a thing only once", "New parameters go into the one layer of all places."),
    WrongAnswer(_by_children, "meet a thing only once", "children() leaves the places out that come later."),
    WrongAnswer(_layers_alone, "copying modules one by one", "Ties inside of one module are rare."),
    WrongAnswer(_in_one_memory, "still change together", "The values are handed on through .data."),
    WrongAnswer(_values_drawn_anew, "Which values does each place", "The layers are made anew, with new luck."),
    WrongAnswer(_thawed, "nn.Parameter(values) is trainable", "A new nn.Parameter does not know of the freezing."),
    WrongAnswer(_the_net_itself, "its owner wanted it tied", "The places are copied, the outermost block is not."),
    WrongAnswer(_shallow, "its owner wanted it tied", "A shallow copy has the register of the net itself."),
)
