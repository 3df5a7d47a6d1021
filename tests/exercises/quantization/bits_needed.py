"""Wrong answers to ``bits_needed``."""

import torch

from d2lcompute.exercises.lessons.quantization.bits_needed import bits_needed, comes_back
from tests.exercises.wrong_answers import WrongAnswer


def _mean_error(x: torch.Tensor, max_error: float) -> int:
    bits = 1
    while (comes_back(x, bits) - x).abs().mean() > max_error:
        bits += 1
    return bits


def _whole_step(x: torch.Tensor, max_error: float) -> int:
    reach = (x.max().clamp(min=0) - x.min().clamp(max=0)).item()
    bits = 1
    while reach / (2**bits - 1) > max_error:
        bits += 1
    return bits


def _one_too_few(x: torch.Tensor, max_error: float) -> int:
    return bits_needed(x, max_error) - 1


def _always_eight(x: torch.Tensor, max_error: float) -> int:
    return 8


WRONG_ANSWERS = (
    WrongAnswer(_mean_error, "not at the average one", "The mean is what one usually reports of errors."),
    WrongAnswer(_one_too_few, "not at the last that fails", "The loop returns the last number that failed."),
    WrongAnswer(_whole_step, "a whole step or half of one", "Levels are a step apart, so that seems to be the error."),
    WrongAnswer(_always_eight, "a whole step or half of one", "Eight bits are what everybody uses."),
)
