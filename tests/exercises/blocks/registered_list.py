"""Wrong answers to ``registered_list``."""

import copy
from collections.abc import Iterator
from typing import Any

from torch import nn

from d2lcompute.exercises.lessons.blocks.list_blocks import ListSequential
from d2lcompute.exercises.lessons.blocks.registered_list import RegisteredSequential
from tests.exercises.wrong_answers import WrongAnswer


class _OnlyParameters(ListSequential):
    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        for block in self.blocks:
            yield from block.parameters(recurse)


class _ParameterList(ListSequential):
    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__(*blocks)
        self.weights = nn.ParameterList(parameter for block in blocks for parameter in block.parameters())


class _Copies(RegisteredSequential):
    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__(*copy.deepcopy(blocks))


class _Children(nn.Module):
    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        for i, block in enumerate(blocks):
            self.add_module(str(i), block)

    def forward(self, X: Any) -> Any:
        for block in self.children():
            X = block(X)
        return X


class _Reversed(RegisteredSequential):
    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__(*reversed(blocks))


class _ByType(_Children):
    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        for block in blocks:
            self.add_module(type(block).__name__, block)


WRONG_ANSWERS = (
    WrongAnswer(ListSequential, "A plain list hides the blocks", "This is the class that was to be mended."),
    WrongAnswer(_OnlyParameters, "Saving the net would save nothing", "The optimizer works again, and training runs."),
    WrongAnswer(_ParameterList, "buffers, such as a running mean", "Parameters seem to be all that a layer holds."),
    WrongAnswer(_Copies, "The net holds copies", "Copying seems safer than sharing."),
    WrongAnswer(_Children, "runs only once", "The English book's MySequential loops over children()."),
    WrongAnswer(_Reversed, "in the opposite order", "Built like a stack, last in first out."),
    WrongAnswer(_ByType, "a place for each block", "The class seems a good name, until it comes a second time."),
)
