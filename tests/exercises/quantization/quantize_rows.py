"""Wrong answers to ``quantize_rows``."""

import torch

from d2lcompute.exercises.lessons.quantization.quantize_rows import quantize_rows
from tests.exercises.wrong_answers import WrongAnswer


def _columns(W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = W.abs().amax(dim=0).reshape(-1, 1) / 127
    return (W / scale).round().clamp(-127, 127).to(torch.int8), scale


def _one_scale(W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = W.abs().max().expand(len(W), 1) / 127
    return (W / scale).round().to(torch.int8), scale


def _floats(W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    levels, scale = quantize_rows(W)
    return levels.float(), scale


def _truncates(W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = quantize_rows(W)[1]
    return (W / scale).to(torch.int8), scale


def _divides_by_zero(W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = W.abs().amax(dim=1, keepdim=True) / 127
    return (W / scale).round().to(torch.int8), scale


def _no_axis(W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = W.abs().amax(dim=1) / 127
    return (W / scale).round().clamp(-127, 127).to(torch.int8), scale


def _largest_as_scale(W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = W.abs().amax(dim=1, keepdim=True)
    return (W / scale).round().to(torch.int8), scale


def _coarse(W: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scale = W.abs().amax(dim=1, keepdim=True).clamp(min=1e-9) / 127 * 2
    return (W / scale).round().to(torch.int8), scale


WRONG_ANSWERS = (
    WrongAnswer(_columns, "scales of the columns", "dim=0 is the axis of the rows, so it sounds right."),
    WrongAnswer(_one_scale, "the smallest rows are lost", "One scale a tensor is the simplest form."),
    WrongAnswer(_largest_as_scale, "levels between -1 and 1", "Values are divided by the largest to normalise them."),
    WrongAnswer(_coarse, "becomes level 127", "The range from minus to plus is divided by 127, not by 254."),
    WrongAnswer(_no_axis, "Keep the axis", "Without keepdim a square matrix divides all the same."),
    WrongAnswer(_floats, "stored as int8", "round() gives whole numbers, which look like integers."),
    WrongAnswer(_truncates, "what has to come before", "Conversion to int8 seems to include the rounding."),
    WrongAnswer(_divides_by_zero, "0 divided by the scale", "With random weights no row is ever zero."),
)
