"""Wrong answers to ``safe_load``."""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.file_io.safe_load import safe_load
from tests.exercises.wrong_answers import WrongAnswer


def _plain(path: Path) -> Any:
    return torch.load(path)


def _follows_the_advice(path: Path) -> Any:
    try:
        return torch.load(path)
    except pickle.UnpicklingError:
        return torch.load(path, weights_only=False)


def _looks_afterwards(path: Path) -> Any:
    loaded = torch.load(path, weights_only=False)
    return None if isinstance(loaded, nn.Module) else loaded


def _any_trouble(path: Path) -> Any:
    try:
        return torch.load(path)
    except Exception:
        return None


def _dicts_alone(path: Path) -> Any:
    loaded = safe_load(path)
    return loaded if isinstance(loaded, dict) else None


def _yes_or_no(path: Path) -> Any:
    return None if safe_load(path) is None else True


WRONG_ANSWERS = (
    WrongAnswer(_plain, "Which exception says", "The default is safe; what it raises is forgotten."),
    WrongAnswer(_follows_the_advice, "its class was looked up", "The error's own message says how to go on."),
    WrongAnswer(_looks_afterwards, "comes too late", "Checking the type of what came looks like care."),
    WrongAnswer(_any_trouble, "catch that one exception", "except Exception is quickly written."),
    WrongAnswer(_dicts_alone, "This needs no code", "A checkpoint is nearly always a dict."),
    WrongAnswer(_yes_or_no, "The default of torch.load lets", "The question is read as: is it safe."),
)
