"""Wrong answers to ``broadcast_shape``."""

from itertools import zip_longest
from typing import Any

import torch

from d2lcompute.exercises.lessons.start_here.broadcast_shape import Shape, broadcast_shape
from tests.exercises.wrong_answers import WrongAnswer


def _from_the_left(a: Shape, b: Shape) -> Any:
    shape = broadcast_shape(a[::-1], b[::-1])
    return None if shape is None else shape[::-1]


def _equal_lengths(a: Shape, b: Shape) -> Any:
    return broadcast_shape(a, b) if len(a) == len(b) else None


def _of_the_first(a: Shape, b: Shape) -> Any:
    return None if broadcast_shape(a, b) is None else a


def _list(a: Shape, b: Shape) -> Any:
    shape = broadcast_shape(a, b)
    return None if shape is None else list(shape)


def _never_none(a: Shape, b: Shape) -> Any:
    pairs = list(zip_longest(a[::-1], b[::-1], fillvalue=1))[::-1]
    return tuple(n if m == 1 else m for m, n in pairs)


def _tiled(a: Shape, b: Shape) -> Any:
    pairs = list(zip_longest(a[::-1], b[::-1], fillvalue=1))[::-1]
    if any(max(m, n) % max(min(m, n), 1) for m, n in pairs):
        return None
    return tuple(min(m, n) and max(m, n) for m, n in pairs)


def _raises(a: Shape, b: Shape) -> Any:
    return tuple((torch.zeros(a) + torch.zeros(b)).shape)


def _larger(a: Shape, b: Shape) -> Any:
    pairs = list(zip_longest(a[::-1], b[::-1], fillvalue=1))[::-1]
    return None if broadcast_shape(a, b) is None else tuple(max(m, n) for m, n in pairs)


WRONG_ANSWERS = (
    WrongAnswer(_from_the_left, "at their first axes", "zip pairs the sizes from the left, as one reads."),
    WrongAnswer(_equal_lengths, "a missing axis counts as one", "The rule about axes that are missing is missed."),
    WrongAnswer(_of_the_first, "That is the shape of A", "Only the second tensor is thought to be repeated."),
    WrongAnswer(_list, "this is a list", "The sizes are appended one by one."),
    WrongAnswer(_never_none, "neither of them is 1", "The check is forgotten: only shapes that fit were tried."),
    WrongAnswer(_tiled, "Only an axis of size 1", "What is repeated twice fits an axis of twice the size, one thinks."),
    WrongAnswer(_raises, "neither of them is 1", "PyTorch raises an exception where the task asks for None."),
    WrongAnswer(_larger, "not the larger of the two", "max is right for all sizes but 0."),
)
