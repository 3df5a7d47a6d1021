"""Wrong answers to ``residual_block``."""

import copy
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.blocks.residual_block import Residual
from tests.exercises.wrong_answers import WrongAnswer


class _Variant(nn.Module):
    """The block, registered; the wrong answers differ in what they do with it."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block


class _BlockAlone(_Variant):
    def forward(self, X: torch.Tensor) -> Any:
        return self.block(X)


class _Twice(_Variant):
    def forward(self, X: torch.Tensor) -> Any:
        X = X + self.block(X)
        return self.block(X)


class _IntoX(_Variant):
    def forward(self, X: torch.Tensor) -> Any:
        X += self.block(X)
        return X


class _IntoTheOutput(_Variant):
    def forward(self, X: torch.Tensor) -> Any:
        out = self.block(X)
        out += X
        return out


class _NoGrad(_Variant):
    def forward(self, X: torch.Tensor) -> Any:
        with torch.no_grad():
            made = self.block(X)
        return X + made


class _Detached(_Variant):
    def forward(self, X: torch.Tensor) -> Any:
        return X.detach() + self.block(X)


class _PlainList(nn.Module):
    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.parts = [block]

    def forward(self, X: torch.Tensor) -> Any:
        return X + self.parts[0](X)


class _Copy(Residual):
    def __init__(self, block: nn.Module) -> None:
        super().__init__(copy.deepcopy(block))


WRONG_ANSWERS = (
    WrongAnswer(_BlockAlone, "That is the block alone", "A block that wraps another is expected to call it."),
    WrongAnswer(_Twice, "The block runs once more", "Written as two steps, the second one calls the block again."),
    WrongAnswer(_IntoX, "its values were changed in place", "X += ... saves a name, and writes into X."),
    WrongAnswer(_IntoTheOutput, "+= writes into the tensor", "It is right for a block that ends in a linear layer."),
    WrongAnswer(_Detached, "the graph is cut", "The input seems to be data, which needs no gradient."),
    WrongAnswer(_NoGrad, "through the block the graph is cut", "Only X seems to need a gradient here."),
    WrongAnswer(_PlainList, "Which kind of attribute", "A list holds the block just as well, as forward sees it."),
    WrongAnswer(_Copy, "The net holds a copy", "Copying seems safer than sharing."),
)
