"""Wrong answers to ``parallel_block``."""

import copy
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.blocks.parallel_block import ParallelBlock
from tests.exercises.wrong_answers import WrongAnswer


class _Variant(nn.Module):
    """The two nets, registered; the wrong answers differ in what they do with them."""

    def __init__(self, net1: nn.Module, net2: nn.Module) -> None:
        super().__init__()
        self.net1, self.net2 = net1, net2


class _FirstAxis(_Variant):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.cat((self.net1(X), self.net2(X)))


class _SecondAxis(_Variant):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.cat((self.net1(X), self.net2(X)), dim=1)


class _Sum(_Variant):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.net1(X) + self.net2(X)


class _OneAfterTheOther(_Variant):
    def forward(self, X: torch.Tensor) -> Any:
        return self.net2(self.net1(X))


class _OtherOrder(_Variant):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.cat((self.net2(X), self.net1(X)), dim=-1)


class _Data(_Variant):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.cat((self.net1(X), self.net2(X).data), dim=-1)


class _PlainList(nn.Module):
    def __init__(self, net1: nn.Module, net2: nn.Module) -> None:
        super().__init__()
        self.nets = [net1, net2]

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return torch.cat([net(X) for net in self.nets], dim=-1)


class _Copies(ParallelBlock):
    def __init__(self, net1: nn.Module, net2: nn.Module) -> None:
        super().__init__(copy.deepcopy(net1), copy.deepcopy(net2))


class _NoSuper(ParallelBlock):
    def __init__(self, net1: nn.Module, net2: nn.Module) -> None:
        self.net1, self.net2 = net1, net2


WRONG_ANSWERS = (
    WrongAnswer(_FirstAxis, "along the first axis", "torch.cat joins along axis 0 unless it is told otherwise."),
    WrongAnswer(_SecondAxis, "Which axis holds the features?", "For a plain batch the last axis is axis 1."),
    WrongAnswer(_Sum, "The outputs are added up", "A residual connection adds, and looks much the same."),
    WrongAnswer(_OneAfterTheOther, "not with X", "Every container so far ran its parts one after the other."),
    WrongAnswer(_OtherOrder, "in the other order", "Nothing fails when the two halves are swapped."),
    WrongAnswer(_Data, "No gradient reaches net2.weight", "The values are right, and .data looks like them."),
    WrongAnswer(_PlainList, "does not know its parts", "A list holds the nets just as well, as far as forward goes."),
    WrongAnswer(_Copies, "The block holds copies", "Copying seems safer than sharing."),
    WrongAnswer(_NoSuper, "super().__init__() comes first", "Plain classes often do without super().__init__()."),
)
