"""Wrong answers to ``default_bound``."""

from typing import Any

import torch
from torch import nn

from tests.exercises.wrong_answers import WrongAnswer


def _largest(layer: nn.Linear) -> Any:
    return layer.weight.abs().max().item()


def _tensor(layer: nn.Linear) -> Any:
    return torch.tensor(layer.in_features).rsqrt()


def _from_the_spread(layer: nn.Linear) -> Any:
    return 1 / (3 * layer.in_features) ** 0.5


def _variance(layer: nn.Linear) -> Any:
    return 1 / (3 * layer.in_features)


def _kaiming(layer: nn.Linear) -> Any:
    return (6 / layer.in_features) ** 0.5


def _xavier(layer: nn.Linear) -> Any:
    return (6 / (layer.in_features + layer.out_features)) ** 0.5


def _outputs(layer: nn.Linear) -> Any:
    return layer.weight.shape[0] ** -0.5


def _no_root(layer: nn.Linear) -> Any:
    return 1 / layer.in_features


WRONG_ANSWERS = (
    WrongAnswer(
        _largest, "the bound follows from the sizes", "For a layer with many weights one cannot see the difference."
    ),
    WrongAnswer(_tensor, "takes the number out", "torch computes the root, and gives a tensor."),
    WrongAnswer(_from_the_spread, "That is the standard deviation", "A variance of 1 / (3 n) was measured."),
    WrongAnswer(_variance, "That is the variance", "A variance of 1 / (3 n) was measured."),
    WrongAnswer(_kaiming, "That is Kaiming's bound", "It is what many texts claim."),
    WrongAnswer(_xavier, "That is Xavier's bound", "It is the book's initializer."),
    WrongAnswer(_outputs, "That counts the outputs", "The weight's first axis is taken for the inputs."),
    WrongAnswer(_no_root, "The root is missing", "The bound's square is known, and the root is forgotten."),
)
