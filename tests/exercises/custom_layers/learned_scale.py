"""Wrong answers to ``learned_scale``."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.custom_layers.learned_scale import Scale
from tests.exercises.wrong_answers import WrongAnswer


class _Zeros(Scale):
    def __init__(self, units: int) -> None:
        super().__init__(units)
        self.weight = nn.Parameter(torch.zeros(units))


class _Random(Scale):
    def __init__(self, units: int) -> None:
        super().__init__(units)
        self.weight = nn.Parameter(torch.randn(units))


class _OneFactor(Scale):
    def __init__(self, units: int) -> None:
        super().__init__(units)
        self.weight = nn.Parameter(torch.ones(1))


class _Product(Scale):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X @ self.weight


class _Column(Scale):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X * self.weight[:, None]


class _InPlace(Scale):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            X *= self.weight
        return X


class _Buffer(Scale):
    def __init__(self, units: int) -> None:
        nn.Module.__init__(self)
        self.register_buffer("weight", torch.ones(units))


class _PlainTensor(Scale):
    def __init__(self, units: int) -> None:
        nn.Module.__init__(self)
        self.weight = torch.ones(units)  # type: ignore[assignment]


class _Data(Scale):
    def forward(self, X: torch.Tensor) -> Any:
        return X * self.weight.data


WRONG_ANSWERS = (
    WrongAnswer(_Zeros, "By which factor does X stay", "torch.zeros is what biases start with."),
    WrongAnswer(_Random, "By which factor does X stay", "Weights of linear layers are drawn at random."),
    WrongAnswer(_OneFactor, "One factor for all", "A single number broadcasts to any shape."),
    WrongAnswer(_Product, "multiplies and sums up", "Weights of linear layers are applied with @."),
    WrongAnswer(_Column, "Each example is multiplied", "A row per example seems to want a column of factors."),
    WrongAnswer(_InPlace, "its values were changed in place", "*= saves memory."),
    WrongAnswer(_Buffer, "is to find", "A buffer belongs to the layer as well."),
    WrongAnswer(_PlainTensor, "is to find", "The product is right without nn.Parameter."),
    WrongAnswer(_Data, "will never learn", "The book's own MyLinear is written with .data."),
)
