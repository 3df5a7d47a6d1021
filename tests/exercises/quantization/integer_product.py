"""Wrong answers to ``integer_product``."""

from typing import Any

import torch

from tests.exercises.wrong_answers import WrongAnswer


def _keeps_the_zero_point(levels: Any, scale: Any, zero_point: Any, W_levels: Any, W_scale: Any) -> Any:
    return (levels.int() @ W_levels.int().T) * scale * W_scale.T


def _eight_bits(levels: Any, scale: Any, zero_point: Any, W_levels: Any, W_scale: Any) -> Any:
    total = (levels.to(torch.int8) - zero_point).to(torch.int8) @ W_levels.T
    return total * scale * W_scale.T


def _sixteen_bits(levels: Any, scale: Any, zero_point: Any, W_levels: Any, W_scale: Any) -> Any:
    total = (levels.short() - zero_point) @ W_levels.short().T
    return total * scale * W_scale.T


def _forgets_a_scale(levels: Any, scale: Any, zero_point: Any, W_levels: Any, W_scale: Any) -> Any:
    return ((levels.int() - zero_point) @ W_levels.int().T) * W_scale.T


def _forgets_the_rows(levels: Any, scale: Any, zero_point: Any, W_levels: Any, W_scale: Any) -> Any:
    return ((levels.int() - zero_point) @ W_levels.int().T) * scale


WRONG_ANSWERS = (
    WrongAnswer(_keeps_the_zero_point, "still hold the zero point", "For symmetric levels this is all there is."),
    WrongAnswer(_eight_bits, "in which dtype is it added up", "The levels are bytes, and bytes can be multiplied."),
    WrongAnswer(_sixteen_bits, "in which dtype is it added up", "One product of two bytes fits into 16 bits."),
    WrongAnswer(_forgets_a_scale, "scale of the levels is missing", "The rows' scales are already in it."),
    WrongAnswer(_forgets_the_rows, "scales of W's rows are missing", "One scale is what a tensor used to have."),
)
