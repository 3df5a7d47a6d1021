"""Wrong answers to ``masked_linear``."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.custom_layers.masked_linear import MaskedLinear
from tests.exercises.wrong_answers import WrongAnswer


class _Turned(MaskedLinear):
    def __init__(self, in_units: int, units: int, mask: torch.Tensor) -> None:
        super().__init__(units, in_units, mask)
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X @ (self.weight.T * self.mask) + self.bias


class _PlainMask(MaskedLinear):
    def __init__(self, in_units: int, units: int, mask: torch.Tensor) -> None:
        super().__init__(in_units, units, mask)
        del self.mask
        self.mask = mask


class _NotSaved(MaskedLinear):
    def __init__(self, in_units: int, units: int, mask: torch.Tensor) -> None:
        super().__init__(in_units, units, mask)
        self.register_buffer("mask", mask, persistent=False)


class _TrainedMask(MaskedLinear):
    def __init__(self, in_units: int, units: int, mask: torch.Tensor) -> None:
        super().__init__(in_units, units, mask)
        del self.mask
        self.mask = nn.Parameter(mask)


class _Once(MaskedLinear):
    def __init__(self, in_units: int, units: int, mask: torch.Tensor) -> None:
        super().__init__(in_units, units, mask)
        self.weight = nn.Parameter(torch.randn(in_units, units) * mask)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X @ self.weight + self.bias


class _ByHook(_Once):
    def __init__(self, in_units: int, units: int, mask: torch.Tensor) -> None:
        super().__init__(in_units, units, mask)
        self.weight.register_hook(lambda gradient: gradient * mask)


class _Inverted(MaskedLinear):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X @ self.weight.masked_fill(self.mask.bool(), 0) + self.bias


class _NoBias(MaskedLinear):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X @ (self.weight * self.mask)


class _MaskTurned(MaskedLinear):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X @ (self.weight * self.mask.T) + self.bias


class _WritesZeros(MaskedLinear):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            self.weight.mul_(self.mask)
        return X @ self.weight + self.bias


class _Data(MaskedLinear):
    def forward(self, X: torch.Tensor) -> Any:
        return X @ (self.weight.data * self.mask) + self.bias


WRONG_ANSWERS = (
    WrongAnswer(_Turned, "the other way round", "nn.Linear stores its weight as (units, in_units)."),
    WrongAnswer(_PlainMask, "neither saved nor moved", "forward finds a plain attribute just as well."),
    WrongAnswer(_NotSaved, "neither saved nor moved", "The mask seems to be known to whoever builds the layer."),
    WrongAnswer(_TrainedMask, "the mask is to stay what it is", "nn.Parameter makes it part of the layer."),
    WrongAnswer(_Once, "apply it each time", "Zeros that are written once seem to stay."),
    WrongAnswer(_ByHook, "apply it each time", "Zeros without gradients stay zero, until weights are loaded or set."),
    WrongAnswer(_Inverted, "the other way round", "masked_fill fills where its mask is true."),
    WrongAnswer(_NoBias, "The bias is missing", "All attention goes to the weight."),
    WrongAnswer(_MaskTurned, "The mask is turned", "The mask is thought of as (outputs, inputs)."),
    WrongAnswer(_WritesZeros, "the optimizer moves them", "Writing the zeros keeps the output right."),
    WrongAnswer(_Data, "No gradient reaches weight", "The book's own MyLinear is written with .data."),
)
