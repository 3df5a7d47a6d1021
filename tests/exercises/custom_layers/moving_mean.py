"""Wrong answers to ``moving_mean``."""

import torch
from torch import nn

from d2lcompute.exercises.lessons.custom_layers.moving_mean import MovingMean
from tests.exercises.wrong_answers import WrongAnswer


class _SubtractsTheBuffer(MovingMean):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.mean.lerp_(X.mean(dim=0), self.momentum)
        return X - self.mean


class _OneMean(MovingMean):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X - X.mean() if self.training else super().forward(X)


class _MeansOfRows(MovingMean):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return X - X.mean(dim=-1, keepdim=True) if self.training else super().forward(X)


class _Swapped(MovingMean):
    def __init__(self, features: int, momentum: float = 0.1) -> None:
        super().__init__(features, 1 - momentum)


class _OnlyTheLast(MovingMean):
    def __init__(self, features: int, momentum: float = 0.1) -> None:
        super().__init__(features, 1.0)


class _OnlyAdds(MovingMean):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.mean += self.momentum * X.detach().mean(dim=0)
            return X - X.mean(dim=0)
        return X - self.mean


class _IgnoresTheMode(MovingMean):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        self.mean.lerp_(X.detach().mean(dim=0), self.momentum)
        return X - X.mean(dim=0)


class _GoesOnInEval(MovingMean):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        out = super().forward(X)
        if not self.training:
            self.mean.lerp_(X.detach().mean(dim=0), self.momentum)
        return out


class _PlainTensor(MovingMean):
    def __init__(self, features: int, momentum: float = 0.1) -> None:
        nn.Module.__init__(self)
        self.momentum = momentum
        self.mean = torch.zeros(features)


class _Parameter(MovingMean):
    def __init__(self, features: int, momentum: float = 0.1) -> None:
        nn.Module.__init__(self)
        self.momentum = momentum
        self.mean = nn.Parameter(torch.zeros(features), requires_grad=False)


class _WithHistory(MovingMean):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return X - self.mean
        self.mean = (1 - self.momentum) * self.mean + self.momentum * X.mean(dim=0)
        return X - X.mean(dim=0)


class _DetachesBoth(MovingMean):
    def forward(self, X: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return X - self.mean
        batch_mean = X.detach().mean(dim=0)
        self.mean.lerp_(batch_mean, self.momentum)
        return X - batch_mean


WRONG_ANSWERS = (
    WrongAnswer(_SubtractsTheBuffer, "the mean of this very batch", "The notebook's RunningCentered does so."),
    WrongAnswer(_OneMean, "one mean for all numbers", "mean() without dim is over everything."),
    WrongAnswer(_MeansOfRows, "along dim=0", "Centring each example by itself is the more common one."),
    WrongAnswer(_Swapped, "The two parts are swapped", "Optimizers multiply the old value by their momentum."),
    WrongAnswer(_OnlyTheLast, "The old mean is forgotten", "Assigning the batch's mean is the first idea."),
    WrongAnswer(_OnlyAdds, "does not shrink", "+= with a factor looks like a step towards the mean."),
    WrongAnswer(_IgnoresTheMode, "other examples of the batch do not matter", "self.training is easily forgotten."),
    WrongAnswer(_GoesOnInEval, "In eval mode nothing is learned", "More data seems to make a better mean."),
    WrongAnswer(_PlainTensor, "A plain tensor is not saved", "As long as nobody saves the layer it works."),
    WrongAnswer(_Parameter, "this tensor is not trained", "requires_grad=False keeps it from being trained."),
    WrongAnswer(_WithHistory, "detach what goes into the buffer", "It is the formula, word for word."),
    WrongAnswer(_DetachesBoth, "depends on X as well", "One detached mean for both uses is shorter."),
)
