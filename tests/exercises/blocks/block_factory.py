"""Wrong answers to ``block_factory``."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tests.exercises.wrong_answers import WrongAnswer


def _one_object(make_block: Callable[[], nn.Module], n: int) -> nn.Module:
    return nn.Sequential(*[make_block()] * n)


def _copies(make_block: Callable[[], nn.Module], n: int) -> nn.Module:
    block = make_block()
    return nn.Sequential(*[copy.deepcopy(block) for _ in range(n)])


def _one_too_few(make_block: Callable[[], nn.Module], n: int) -> nn.Module:
    return nn.Sequential(*[make_block() for _ in range(1, n)])


def _module_list(make_block: Callable[[], nn.Module], n: int) -> nn.Module:
    return nn.ModuleList([make_block() for _ in range(n)])


def _plain_list(make_block: Callable[[], nn.Module], n: int) -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [make_block() for _ in range(n)]

        def forward(self, X: torch.Tensor) -> torch.Tensor:
            for block in self.blocks:
                X = block(X)
            return X

    return Net()


def _side_by_side(make_block: Callable[[], nn.Module], n: int) -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(make_block() for _ in range(n))

        def forward(self, X: torch.Tensor) -> Any:
            return sum(block(X) for block in self.blocks)

    return Net()


WRONG_ANSWERS = (
    WrongAnswer(_one_object, "one object used", "[block] * n looks like n blocks, and its repr shows n of them."),
    WrongAnswer(_copies, "Copies of one block", "Copies are objects of their own, but were never drawn."),
    WrongAnswer(_one_too_few, "blocks in a row, not", "range(1, n) counts from 1, and stops before n."),
    WrongAnswer(_module_list, 'missing the required "forward"', "ModuleList registers its parts, but runs none."),
    WrongAnswer(_plain_list, "does not know its blocks", "The net computes rightly, so nothing seems amiss."),
    WrongAnswer(_side_by_side, "applied to X itself", "A loop that forgets to hand X on."),
)
