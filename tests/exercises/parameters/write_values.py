"""Wrong answers to ``write_values``."""

import torch
from torch import nn

from tests.exercises.wrong_answers import WrongAnswer


def _checked(net: nn.Module, name: str, values: torch.Tensor) -> nn.Parameter:
    parameter = net.get_parameter(name)
    if values.shape != parameter.shape:
        raise ValueError("another shape")
    return parameter


def _data_copy(net: nn.Module, name: str, values: torch.Tensor) -> None:
    _checked(net, name, values).data.copy_(values)


def _data_unchecked(net: nn.Module, name: str, values: torch.Tensor) -> None:
    net.get_parameter(name).data = values


def _data_assigned(net: nn.Module, name: str, values: torch.Tensor) -> None:
    _checked(net, name, values).data = values.clone()


def _unchecked(net: nn.Module, name: str, values: torch.Tensor) -> None:
    with torch.no_grad():
        net.get_parameter(name).copy_(values)


def _elements(net: nn.Module, name: str, values: torch.Tensor) -> None:
    parameter = net.get_parameter(name)
    if values.numel() != parameter.numel():
        raise ValueError("another number of elements")
    with torch.no_grad():
        parameter.copy_(values.reshape(parameter.shape))


def _written_first(net: nn.Module, name: str, values: torch.Tensor) -> None:
    _unchecked(net, name, values)
    _checked(net, name, values)


def _load(net: nn.Module, name: str, values: torch.Tensor) -> None:
    net.load_state_dict({name: values}, strict=False)


def _new_parameter(net: nn.Module, name: str, values: torch.Tensor) -> None:
    _checked(net, name, values)
    path, _, last = name.rpartition(".")
    setattr(net.get_submodule(path), last, nn.Parameter(values.clone()))


def _frozen(net: nn.Module, name: str, values: torch.Tensor) -> None:
    _checked(net, name, values).requires_grad_(False).copy_(values)


def _no_mode(net: nn.Module, name: str, values: torch.Tensor) -> None:
    _checked(net, name, values).copy_(values)


def _ends_alike(net: nn.Module, name: str, values: torch.Tensor) -> None:
    _checked(net, name, values)
    for each, parameter in net.named_parameters():
        if each.endswith(name.split(".", 1)[1]):
            with torch.no_grad():
                parameter.copy_(values)


WRONG_ANSWERS = (
    WrongAnswer(_data_copy, "The change was not counted", "Much code writes through .data, the book's included."),
    WrongAnswer(_data_assigned, "The change was not counted", "Assigning to .data looks like the way to do it."),
    WrongAnswer(_data_unchecked, "has another shape now", "It is short, and Python has nothing against it."),
    WrongAnswer(_unchecked, "copy_ broadcasts", "copy_ seems to check the shape."),
    WrongAnswer(_elements, "Compare the shapes before", "The number of elements fits, so a reshape mends it."),
    WrongAnswer(_written_first, "the values are written already", "The check is there, one line too late."),
    WrongAnswer(_load, "The task asks for a ValueError", "load_state_dict checks the shape, with another error."),
    WrongAnswer(_new_parameter, "a new parameter now", "A module accepts an nn.Parameter under this name."),
    WrongAnswer(_frozen, "The parameter was frozen", "Without requires_grad the write is allowed."),
    WrongAnswer(_no_mode, "autograd must be told", "The parameter is a tensor, and has copy_."),
    WrongAnswer(_ends_alike, "other names end in the same way", "The name is compared by its last parts."),
)
