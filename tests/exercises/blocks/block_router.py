"""Wrong answers to ``block_router``."""

import copy
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.blocks.block_router import Blocks, Router
from tests.exercises.wrong_answers import WrongAnswer


class _PlainDict(nn.Module):
    def __init__(self, blocks: Blocks) -> None:
        super().__init__()
        self.blocks = blocks

    def forward(self, X: torch.Tensor, name: str) -> Any:
        return self.blocks[name](X)


class _OnlyParameters(_PlainDict):
    def __init__(self, blocks: Blocks) -> None:
        super().__init__(blocks)
        self.weights = nn.ParameterList(parameter for block in blocks.values() for parameter in block.parameters())


class _Copies(Router):
    def __init__(self, blocks: Blocks) -> None:
        super().__init__(copy.deepcopy(blocks))


class _NamedChildren(nn.Module):
    def __init__(self, blocks: Blocks) -> None:
        super().__init__()
        for name, block in blocks.items():
            self.add_module("block_" + name, block)

    def forward(self, X: torch.Tensor, name: str) -> Any:
        return dict(self.named_children())["block_" + name](X)


class _OneAfterTheOther(Router):
    def forward(self, X: torch.Tensor, name: str) -> Any:
        for each in dict(self.blocks.named_children()):
            X = self.blocks[each](X)
        return X


class _AllThenOne(Router):
    def forward(self, X: torch.Tensor, name: str) -> Any:
        outputs = {each: block(X) for each, block in self.blocks.items()}
        return outputs[name]


WRONG_ANSWERS = (
    WrongAnswer(_PlainDict, "A plain dict hides the blocks", "forward works, so nothing seems amiss."),
    WrongAnswer(_OnlyParameters, "buffers, such as a running mean", "Parameters seem to be all that a block holds."),
    WrongAnswer(_Copies, "The router holds copies", "Copying seems safer than sharing."),
    WrongAnswer(_NamedChildren, "One of them has two", "named_children() lists each block under one name only."),
    WrongAnswer(_OneAfterTheOther, "only the named one should", "Every container so far ran all its parts."),
    WrongAnswer(_AllThenOne, "Choose first, then run", "All results are computed, and one is picked."),
)
