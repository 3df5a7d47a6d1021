"""Wrong answers to ``read_write_on_gpu``."""

import copy
from pathlib import Path

import torch
from torch import nn

from d2lcompute.exercises.lessons.gpu._machine import CPU
from tests.exercises.wrong_answers import WrongAnswer


def _where_it_was(path: Path, net: nn.Module) -> None:
    net.load_state_dict(torch.load(path))


def _first_gpu_only(path: Path, net: nn.Module) -> None:
    net.load_state_dict(torch.load(path, map_location={"cuda:0": "cpu"}))


def _to_a_gpu(path: Path, net: nn.Module) -> None:
    net.load_state_dict(torch.load(path, map_location="cuda"))


def _assigned(path: Path, net: nn.Module) -> None:
    net.load_state_dict(torch.load(path, map_location="cpu"), assign=True)


def _net_to_the_cpu(path: Path, net: nn.Module) -> None:
    net.to(CPU).load_state_dict(torch.load(path, map_location="cpu"))


def _data_replaced(path: Path, net: nn.Module) -> None:
    state = torch.load(path, map_location="cpu")
    for name, values in [*net.named_parameters(), *net.named_buffers()]:
        values.data = state[name]


def _only_parameters(path: Path, net: nn.Module) -> None:
    state = torch.load(path, map_location="cpu")
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(state[name])


def _another_net(path: Path, net: nn.Module) -> None:
    net = copy.deepcopy(net)
    net.load_state_dict(torch.load(path, map_location="cpu"))


def _into_the_dict(path: Path, net: nn.Module) -> None:
    net.state_dict().update(torch.load(path, map_location="cpu"))


WRONG_ANSWERS = (
    WrongAnswer(_where_it_was, "The file notes on which device", "It works as long as one stays on one machine."),
    WrongAnswer(_first_gpu_only, "The file notes on which device", "Most files are written on the first GPU."),
    WrongAnswer(_to_a_gpu, "The file notes on which device", "The parameters are those of a net on a GPU."),
    WrongAnswer(_assigned, "Reading has moved the net", "assign=True saves a copy, and replaces the tensors."),
    WrongAnswer(_net_to_the_cpu, "Reading has moved the net", "Where the file's tensors are the net must seem to."),
    WrongAnswer(_data_replaced, "Reading has moved the net", ".data takes any tensor, from any device."),
    WrongAnswer(_only_parameters, "Only the parameters were loaded", "Only parameters seem to be learned."),
    WrongAnswer(_another_net, "The net is as it was", "A copy protects the caller's net, who wants it filled."),
    WrongAnswer(_into_the_dict, "The net is as it was", "state_dict() is taken for the place of the parameters."),
)
