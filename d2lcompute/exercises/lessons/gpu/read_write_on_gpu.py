"""Parameters that were stored on a GPU, read wherever the net is."""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr
from d2lcompute.exercises.lessons.gpu._machine import call_on
from d2lcompute.pretend import pretend_gpus

__all__ = ["EXERCISE"]

STUB = """\
def read_write_on_gpu(path, net):
    raise NotImplementedError
"""

State = dict[str, torch.Tensor]


def read_write_on_gpu(path: "Path", net: nn.Module) -> None:
    """Fill the net, wherever it is, with a stored state_dict, wherever it comes from."""
    net.load_state_dict(torch.load(path, map_location="cpu"))


def reads_without_a_gpu(answer: Any, trial: Trial) -> None:
    """On a machine without a GPU, the net gets all values of a state_dict that was stored on one."""
    source, net, text = _nets(trial)
    start = copy.deepcopy(net.state_dict())
    path = _saved(source, trial, "cuda:1")
    trial.plan(
        tr("the state_dict of {text}, saved on cuda:1, read on a machine without a GPU", text=text),
        nudge=tr(
            "The file notes on which device each tensor was: who says where it goes on a machine without that one?"
        ),
    )

    call_on(pretend_gpus(0), trial, answer, path, net)

    expected, parameters = source.state_dict(), dict(source.named_parameters())
    mistakes = {
        tr("The net is as it was: what you have loaded is not in the net that was handed over."): start,
        tr("Only the parameters were loaded: the running mean and variance are part of the state too."): start
        | parameters,
    }
    trial.same(net.state_dict(), expected, what="net.state_dict()", mistakes=mistakes)


def leaves_the_net_where_it_is(answer: Any, trial: Trial) -> None:
    """A net on a GPU gets the values and stays there, also if the file was written elsewhere."""
    machine = pretend_gpus(2)
    for saved_on, device in (("cpu", machine.devices[1]), ("cuda:1", machine.devices[0])):
        source, net, text = _nets(trial)
        path = _saved(source, trial, saved_on)
        with machine:
            net.to(device)
        trial.plan(
            tr(
                "the state_dict of {text}, saved on {saved_on}, read into a net on {device}",
                text=text,
                saved_on=saved_on,
                device=device,
            ),
            nudge=tr("Where must values be so that load_state_dict can copy them into the net's own tensors?"),
        )

        call_on(machine, trial, answer, path, net)

        places = {name: machine.places.of(values) for name, values in net.state_dict().items()}
        moved = [
            tr("{name} is on {place}", name=name, place=place) for name, place in places.items() if place != device
        ]
        trial.require(
            not moved,
            expected=tr("a net that is still on {device}", device=device),
            got=f"{', '.join(moved[:2])}{' ...' if moved[2:] else ''}",
            remark=tr(
                "Reading has moved the net: the values are to be copied into the tensors that it has, where it is."
            ),
        )
        trial.same(net.state_dict(), source.state_dict(), what="net.state_dict()")


def _nets(trial: Trial) -> tuple[nn.Module, nn.Module, str]:
    """Draw a net with parameters and buffers, and another of the same kind with other values."""
    a, b = trial.sizes(2)
    source, net = (nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.Linear(b, 1)) for _ in range(2))
    for parameter in source.parameters():
        nn.init.normal_(parameter)
    source(torch.randn(8, a))  # moves the running mean and variance
    return source, net, f"Sequential(Linear({a}, {b}), BatchNorm1d({b}), Linear({b}, 1))"


def _saved(source: nn.Module, trial: Trial, device: str) -> Path:
    """Save a net's state on the CPU, or on a GPU that is pretended."""
    path = trial.folder() / "net.pt"
    with pretend_gpus(2):
        torch.save(copy.deepcopy(source).to(device).state_dict(), path)
    return path


EXERCISE = Exercise(
    name="read_write_on_gpu",
    notebook="07_gpu",
    section="Nets",
    book=("5.6.2", "6.7.2"),
    difficulty=2,
    minutes=10,
    task="Write a function that loads the state_dict in the file at path, which may have been saved on a GPU, into net "
    "wherever that is, also on a machine without a GPU.",
    stub=STUB,
    form=a_function,
    requirements=(reads_without_a_gpu, leaves_the_net_where_it_is),
    rounds=2,
    hints=(
        "On which device would torch.load put a tensor that was saved on the second GPU of another machine?",
        "Let the file's tensors come to a place that every machine has, and the net copy them to where it is itself.",
        "torch.load has the argument map_location; load_state_dict copies values from any device into the net's own.",
    ),
    solution=read_write_on_gpu,
    why='Every machine has a CPU, so map_location="cpu" works everywhere; load_state_dict then copies the values into '
    "the tensors that the net has already, on whatever device these are.",
)
