"""Wrong answers to ``varying_inputs``."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.lazy_initialization.varying_inputs import VaryingInputNet
from tests.exercises.wrong_answers import WrongAnswer


class _OneLazyLayer(nn.Sequential):
    def __init__(self, units: int) -> None:
        super().__init__(nn.LazyLinear(32), nn.ReLU(), nn.Linear(32, units))


class _Padded(nn.Module):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, units))

    def forward(self, X: torch.Tensor) -> Any:
        return self.net(nn.functional.pad(X, (0, 64 - X.shape[1])))


class _Anew(VaryingInputNet):
    def forward(self, X: torch.Tensor) -> Any:
        width = str(X.shape[1])
        self.first[width] = nn.Linear(X.shape[1], 32)
        return self.rest(self.first[width](X))


class _PlainDict(VaryingInputNet):
    def __init__(self, units: int) -> None:
        super().__init__(units)
        self.layers: dict[int, nn.Module] = {}

    def forward(self, X: torch.Tensor) -> Any:
        width = X.shape[1]
        if width not in self.layers:
            self.layers[width] = nn.Linear(width, 32)
        return self.rest(self.layers[width](X))


class _InForward(VaryingInputNet):
    def forward(self, X: torch.Tensor) -> Any:
        return self.rest(nn.Linear(X.shape[1], 32)(X))


class _WholeNets(nn.Module):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units
        self.nets = nn.ModuleDict()

    def forward(self, X: torch.Tensor) -> Any:
        width = str(X.shape[1])
        if width not in self.nets:
            self.nets[width] = nn.Sequential(nn.Linear(X.shape[1], 32), nn.ReLU(), nn.Linear(32, self.units))
        return self.nets[width](X)


WRONG_ANSWERS = (
    WrongAnswer(_OneLazyLayer, "settles on one width", "Lazy sounds as if it would adapt each time."),
    WrongAnswer(_Padded, "What does not fit is cut off", "Padding by a negative amount crops, without a word."),
    WrongAnswer(_Anew, "was made anew", "The question whether the width is there already is left out."),
    WrongAnswer(_PlainDict, "in a plain dict", "A plain dict takes numbers as keys, and forward works."),
    WrongAnswer(_InForward, "was made anew", "A layer may be made anywhere, so why not where it is used."),
    WrongAnswer(_WholeNets, "a whole net of its own", "A net for each width is the first thing that works."),
)
