"""Wrong answers to ``half_fourier``."""

from typing import Any

import torch
from torch import nn

from tests.exercises.wrong_answers import WrongAnswer


class _All(nn.Module):
    def forward(self, X: torch.Tensor) -> Any:
        return torch.fft.fft(X)


class _OneTooFew(nn.Module):
    def forward(self, X: torch.Tensor) -> Any:
        return torch.fft.fft(X)[:, : (X.shape[1] + 1) // 2]


class _TwoAxes(nn.Module):
    def forward(self, X: torch.Tensor) -> Any:
        return torch.fft.rfft2(X)


class _FirstAxis(nn.Module):
    def forward(self, X: torch.Tensor) -> Any:
        return torch.fft.rfft(X, dim=0)


class _Sizes(nn.Module):
    def forward(self, X: torch.Tensor) -> Any:
        return torch.fft.rfft(X).abs()


class _RealParts(nn.Module):
    def forward(self, X: torch.Tensor) -> Any:
        return torch.fft.rfft(X).real


class _Normalized(nn.Module):
    def forward(self, X: torch.Tensor) -> Any:
        return torch.fft.rfft(X, norm="ortho")


class _OtherHalf(nn.Module):
    def forward(self, X: torch.Tensor) -> Any:
        return torch.fft.fft(X)[:, X.shape[1] // 2 :]


class _Detached(nn.Module):
    def forward(self, X: torch.Tensor) -> Any:
        return torch.fft.rfft(X.detach())


WRONG_ANSWERS = (
    WrongAnswer(_All, "the second half only repeats", "fft is the function of that name."),
    WrongAnswer(_OneTooFew, "One is missing", "Half of d coefficients seems to be d / 2, rounded up."),
    WrongAnswer(_TwoAxes, "nothing to do with each other", "A matrix invites the transform of two axes."),
    WrongAnswer(_FirstAxis, "across the examples", "dim=0 comes first."),
    WrongAnswer(_Sizes, "The phases are lost", "Spectra are mostly shown as sizes."),
    WrongAnswer(_RealParts, "The imaginary parts are lost", "The next layer wants real numbers."),
    WrongAnswer(_Normalized, "divided by the square root", "norm='ortho' keeps lengths, and is a common choice."),
    WrongAnswer(_OtherHalf, "the other half", "In some plots the lowest frequency stands in the middle."),
    WrongAnswer(_Detached, "has lost its history", "The transform is taken for a mere preparation of the data."),
)
