"""Wrong answers to ``repeat_shared``."""

import copy
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.blocks.repeat_shared import RepeatShared
from tests.exercises.wrong_answers import WrongAnswer


class _Once(nn.Module):
    def __init__(self, block: nn.Module, times: int) -> None:
        super().__init__()
        for i in range(times):
            self.add_module(str(i), block)

    def forward(self, X: torch.Tensor) -> Any:
        for block in self.children():
            X = block(X)
        return X


class _Copies(nn.Sequential):
    def __init__(self, block: nn.Module, times: int) -> None:
        super().__init__(*[copy.deepcopy(block) for _ in range(times)])


class _OneCopy(RepeatShared):
    def __init__(self, block: nn.Module, times: int) -> None:
        super().__init__(copy.deepcopy(block), times)


class _PlainList(nn.Module):
    def __init__(self, block: nn.Module, times: int) -> None:
        super().__init__()
        self.blocks = [block] * times

    def forward(self, X: torch.Tensor) -> Any:
        for block in self.blocks:
            X = block(X)
        return X


class _BeforeTheLoop(RepeatShared):
    def forward(self, X: torch.Tensor) -> Any:
        X = self.block(X)
        for _ in range(1, self.times):
            X = self.block(X)
        return X


class _OnlyTheLast(RepeatShared):
    def forward(self, X: torch.Tensor) -> Any:
        with torch.no_grad():
            for _ in range(self.times - 1):
                X = self.block(X)
        return self.block(X) if self.times else X


class _FromOne(RepeatShared):
    def forward(self, X: torch.Tensor) -> Any:
        for _ in range(1, self.times):
            X = self.block(X)
        return X


class _AddedUp(RepeatShared):
    def forward(self, X: torch.Tensor) -> Any:
        out = torch.zeros_like(X)
        for _ in range(self.times):
            out = out + self.block(X)
        return out


WRONG_ANSWERS = (
    WrongAnswer(_Once, "children() yields a block once", "The loop of the English book's MySequential."),
    WrongAnswer(_Copies, "parameters of their own", "Each place seems to need a block of its own."),
    WrongAnswer(_OneCopy, "The net holds a copy", "Copying seems safer than sharing."),
    WrongAnswer(_PlainList, "does not look for its parts", "[block] * times is short, and forward works."),
    WrongAnswer(_BeforeTheLoop, "before the counting begins", "It is right for every number but 0."),
    WrongAnswer(_FromOne, "times, not", "range(1, n) counts from 1, and stops before n."),
    WrongAnswer(_OnlyTheLast, "only some of the rounds are recorded", "It saves memory, and the output is right."),
    WrongAnswer(_AddedUp, "applied to X itself", "The loop forgets to hand on what the block gave."),
)
