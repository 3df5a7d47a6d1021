"""Wrong answers to ``compact_save``."""

from pathlib import Path

import torch

from tests.exercises.wrong_answers import WrongAnswer


def _as_it_is(path: Path, tensor: torch.Tensor) -> None:
    torch.save(tensor, path)


def _contiguous(path: Path, tensor: torch.Tensor) -> None:
    torch.save(tensor.contiguous(), path)


def _detached(path: Path, tensor: torch.Tensor) -> None:
    torch.save(tensor.detach(), path)


def _flat(path: Path, tensor: torch.Tensor) -> None:
    torch.save(tensor.flatten().clone(), path)


def _half(path: Path, tensor: torch.Tensor) -> None:
    torch.save(tensor.half(), path)


def _numbers(path: Path, tensor: torch.Tensor) -> None:
    torch.save(tensor.tolist(), path)


WRONG_ANSWERS = (
    WrongAnswer(_as_it_is, "all of the larger tensor is in it", "The tensor that is saved looks small."),
    WrongAnswer(_contiguous, "copies only what is not in order", "For a column it does copy."),
    WrongAnswer(_detached, "all of the larger tensor is in it", "detach() is taken for a copy."),
    WrongAnswer(_flat, "The shape is lost", "A flat tensor is surely in one piece."),
    WrongAnswer(_half, "A smaller dtype", "Half the bits are half the bytes."),
    WrongAnswer(_numbers, "the tensor itself", "A list of numbers has no storage to drag along."),
)
