"""Wrong answers to ``nest_mlp_shapes``."""

import torch
from torch import nn

from d2lcompute.exercises.lessons.parameters.nest_mlp_shapes import Shapes, nest_mlp_shapes
from tests.exercises.wrong_answers import WrongAnswer


def _state_dict(net: nn.Module) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}


def _outermost(net: nn.Module) -> Shapes:
    return {
        f"{name}.{own}": tuple(parameter.shape)
        for name, child in net.named_children()
        for own, parameter in child.named_parameters(recurse=False)
    }


def _sorted(net: nn.Module) -> Shapes:
    return dict(sorted(nest_mlp_shapes(net).items()))


def _trainable(net: nn.Module) -> Shapes:
    return {name: tuple(parameter.shape) for name, parameter in net.named_parameters() if parameter.requires_grad}


def _lists(net: nn.Module) -> dict[str, list[int]]:
    return {name: list(parameter.shape) for name, parameter in net.named_parameters()}


def _transposed(net: nn.Module) -> Shapes:
    return {name: tuple(parameter.shape)[::-1] for name, parameter in net.named_parameters()}


def _pairs(net: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(name, parameter.shape) for name, parameter in net.named_parameters()]


WRONG_ANSWERS = (
    WrongAnswer(_state_dict, "That is a buffer", "state_dict() has the same names, until a layer has buffers."),
    WrongAnswer(_outermost, "Only the outermost level", "named_children() stops after one level."),
    WrongAnswer(_sorted, "sorted as words", "Sorting looks tidy, and is right for fewer than eleven layers."),
    WrongAnswer(_trainable, "Does freezing a weight", "Code that counts trainable parameters is copied."),
    WrongAnswer(_lists, "The shapes are lists", "list(shape) prints much the same."),
    WrongAnswer(_transposed, "in the other order", "nn.Linear(in, out) is read as the shape of its weight."),
    WrongAnswer(_pairs, "Pair each name with a shape", "Printing pairs is what the book does."),
)
