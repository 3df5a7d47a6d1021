"""Wrong answers to ``tensor_reduction``."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.custom_layers.tensor_reduction import TensorReduction
from tests.exercises.wrong_answers import WrongAnswer


class _Bilinear(nn.Bilinear):
    def __init__(self, in_units: int, units: int) -> None:
        super().__init__(in_units, in_units, units, bias=False)

    def forward(self, X: torch.Tensor) -> Any:  # type: ignore[override]
        return super().forward(X, X)


class _PlainTensor(TensorReduction):
    def __init__(self, in_units: int, units: int) -> None:
        nn.Module.__init__(self)
        self.weight = torch.randn(in_units, in_units, units)  # type: ignore[assignment]


class _WithBias(TensorReduction):
    def __init__(self, in_units: int, units: int) -> None:
        super().__init__(in_units, units)
        self.bias = nn.Parameter(torch.zeros(units))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return super().forward(X) + self.bias


class _Squares(TensorReduction):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ni,iik->nk", X * X, self.weight)


class _OneFactor(TensorReduction):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return (X @ self.weight.transpose(0, 1)).sum(0)


class _MixedRows(TensorReduction):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ni,mj,ijk->nk", X, X, self.weight)


class _OneForAll(TensorReduction):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ni,nj,ijk->k", X, X, self.weight)


class _Squeezed(TensorReduction):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return (X[:, None, None] @ self.weight.permute(2, 0, 1) @ X[:, None, :, None]).squeeze()


class _FirstAxis(TensorReduction):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nj,nk,ijk->ni", X, X, self.weight)


class _Data(TensorReduction):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ni,nj,ijk->nk", X, X, self.weight.data)


class _DetachedFactor(TensorReduction):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.einsum("ni,nj,ijk->nk", X, X.detach(), self.weight)


WRONG_ANSWERS = (
    WrongAnswer(_Bilinear, "comes last", "nn.Bilinear computes this sum, with the output's axis first."),
    WrongAnswer(_PlainTensor, "is not registered", "The values are right without nn.Parameter, too."),
    WrongAnswer(_WithBias, "it has no bias", "Nearly every layer has one."),
    WrongAnswer(_Squares, "i and j run independently", "x_i x_j is read as a square."),
    WrongAnswer(_OneFactor, "Only the first of the two inputs", "A product with the weight feels like a layer."),
    WrongAnswer(_MixedRows, "The products mix examples", "Another letter for the second X looks tidier."),
    WrongAnswer(_OneForAll, "the first axis of X stays", "The index n is left out behind the arrow."),
    WrongAnswer(_Squeezed, "squeeze() takes it away", "The matrix products leave two axes of length 1 over."),
    WrongAnswer(_FirstAxis, "The output's index is the last", "nn.Linear's weight has the output first."),
    WrongAnswer(_Data, "No gradient reaches weight", "The book's own MyLinear is written with .data."),
    WrongAnswer(_DetachedFactor, "lost its history", "The second factor is taken for a mere weight."),
)
