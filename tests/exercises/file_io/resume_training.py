"""Wrong answers to ``resume_training``."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.file_io.resume_training import _parameters, load, save
from tests.exercises.wrong_answers import WrongAnswer


def _save_net_alone(path: Path, net: nn.Module, _optimizer: Any, step: int) -> None:
    torch.save({"net": net.state_dict(), "step": step}, path)


def _load_net_alone(path: Path, net: nn.Module, _optimizer: Any) -> Any:
    run = torch.load(path)
    net.load_state_dict(run["net"])
    return run["step"]


def _save_parameters(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    torch.save({"net": _parameters(net), "optimizer": optimizer.state_dict(), "step": step}, path)


def _load_parameters(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
    run = torch.load(path)
    net.load_state_dict(run["net"], strict=False)
    optimizer.load_state_dict(run["optimizer"])
    return run["step"]


def _load_assigned(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
    run = torch.load(path)
    net.load_state_dict(run["net"], assign=True)
    optimizer.load_state_dict(run["optimizer"])
    return run["step"]


def _load_no_step(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    load(path, net, optimizer)


def _save_two_files(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    torch.save({"net": net.state_dict(), "step": step}, path)
    torch.save(optimizer.state_dict(), f"{path}.optimizer")


def _load_two_files(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
    optimizer.load_state_dict(torch.load(f"{path}.optimizer"))
    return _load_net_alone(path, net, optimizer)


def _save_objects(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    torch.save((net, optimizer, step), path)


def _load_objects(path: Path, net: nn.Module, optimizer: torch.optim.Optimizer) -> Any:
    saved_net, saved_optimizer, step = torch.load(path, weights_only=False)
    net.load_state_dict(saved_net.state_dict())
    optimizer.load_state_dict(saved_optimizer.state_dict())
    return step


def _load_names(path: Path, net: Any, optimizer: Any) -> Any:
    net, optimizer, step = torch.load(path, weights_only=False)  # noqa: RUF059  (that is the mistake)
    return step


WRONG_ANSWERS = (
    WrongAnswer(
        (_save_net_alone, _load_net_alone), "does not go on where it stopped", "A trained net seems to be all."
    ),
    WrongAnswer(
        (_save_parameters, _load_parameters), "its running mean in a buffer", "Parameters are what is trained."
    ),
    WrongAnswer((save, _load_assigned), "no longer the net's", "assign=True saves a copy."),
    WrongAnswer((_save_objects, _load_names), "Nothing was loaded into the objects", "net = ... looks like filling."),
    WrongAnswer((save, _load_no_step), "is a return missing", "Loading is done for its effects."),
    WrongAnswer((_save_two_files, _load_two_files), "put everything into one dict", "Two things, two files."),
    WrongAnswer((_save_objects, _load_objects), "stored as objects", "torch.save takes any object."),
)
