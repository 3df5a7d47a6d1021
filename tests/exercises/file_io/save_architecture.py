"""Wrong answers to ``save_architecture``."""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.file_io.save_architecture import _pickle, _text, save
from tests.exercises.wrong_answers import WrongAnswer


def _save_object(net: nn.Module, path: Path) -> None:
    torch.save(net, path)


def _load_object(path: Path) -> Any:
    return torch.load(path, weights_only=False)


def _pickle_object(net: nn.Module, path: Path) -> None:
    _pickle(net, path)


def _unpickle_object(path: Path) -> Any:
    return pickle.loads(path.read_bytes())


def _save_source(net: nn.Sequential, path: Path) -> None:
    torch.save({"layers": [f"nn.{_text(layer)}" for layer in net], "state": net.state_dict()}, path)


def _load_source(path: Path) -> Any:
    stored = torch.load(path)
    net = nn.Sequential(*[eval(text) for text in stored["layers"]])
    net.load_state_dict(stored["state"], assign=True)
    return net


def _save_state(net: nn.Module, path: Path) -> None:
    torch.save(net.state_dict(), path)


def _load_state(path: Path) -> Any:
    state = torch.load(path)
    layers: list[nn.Module] = []
    for value in state.values():
        if value.ndim == 2:
            layers += [nn.ReLU()] * (len(layers) > 0) + [nn.Linear(value.shape[1], value.shape[0])]
    net = nn.Sequential(*layers)
    net.load_state_dict(state, assign=True)
    return net


def _load_random(path: Path) -> Any:
    return nn.Sequential(*[nn.Linear(*pair) if pair else nn.ReLU() for pair in torch.load(path)["sizes"]])


def _load_rounded(path: Path) -> Any:
    net = _load_random(path)
    net.load_state_dict(torch.load(path)["state"])
    return net


def _load_state_dict(path: Path) -> Any:
    return torch.load(path)["state"]


WRONG_ANSWERS = (
    WrongAnswer((_save_object, _load_object), "The file decides what is called", "torch.save takes a whole net."),
    WrongAnswer((_pickle_object, _unpickle_object), "The file decides what is called", "Pickle stores any object."),
    WrongAnswer((_save_source, _load_source), "The file decides what is called", "eval builds whatever is written."),
    WrongAnswer(
        (_save_state, _load_state), "Which facts does one need", "Shapes are all that a usual MLP leaves open."
    ),
    WrongAnswer((save, _load_random), "besides the tensors", "The layers are there, with values of their own."),
    WrongAnswer((save, _load_rounded), "rounds what does not fit", "load_state_dict says that all keys matched."),
    WrongAnswer((save, _load_state_dict), "Which facts does one need", "A state_dict is taken for the net."),
)
