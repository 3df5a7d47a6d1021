"""An input that comes to the net."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr
from d2lcompute.exercises.lessons.gpu._machine import CPU, call_on, place
from d2lcompute.pretend import Machine, pretend_gpus

__all__ = ["EXERCISE"]

STUB = """\
def run_where_it_lives(net, X):
    raise NotImplementedError
"""


def run_where_it_lives(net: nn.Module, X: torch.Tensor) -> torch.Tensor:
    """Run the net on the device where its parameters are."""
    return net(X.to(next(net.parameters()).device))


def runs_on_the_nets_device(answer: Any, trial: Trial) -> None:
    """The result is what the net makes of X, on the device where the net's parameters are."""
    for machine, net, X, device in _situations(trial):
        expected = net(X)

        came = call_on(machine, trial, answer, net, X)

        mistakes = {tr("That is X, moved to the net: the net itself was not called."): X}
        trial.same(came, expected, mistakes=mistakes)
        trial.require(
            machine.places.of(came) == device,
            expected=tr("a result on {device}", device=device),
            got=tr("a result on {of}", of=machine.places.of(came)),
            remark=tr("The result is to stay where it was computed: what comes next may need it there."),
        )


def moves_neither(answer: Any, trial: Trial) -> None:
    """Afterwards the net and X are where they were before."""
    for machine, net, X, device in _situations(trial):
        start = machine.places.of(X)

        call_on(machine, trial, answer, net, X)

        came = [machine.places.of(next(net.parameters())), machine.places.of(X)]
        trial.require(
            came == [device, start],
            expected=tr("the net on {device}, X on {start}", device=device, start=start),
            got=tr("the net on {came}, X on {came2}", came=came[0], came2=came[1]),
            remark=tr("The net was moved, with all its parameters: it is the input that is small and comes to the net.")
            if came[0] != device
            else tr("X itself was moved, and its owner needs it where it was: use a copy, and leave X alone."),
        )


def _situations(trial: Trial) -> Iterator[tuple[Machine, nn.Module, torch.Tensor, torch.device]]:
    """Draw a net and an input for each of several places: the net on either GPU or on the CPU, X elsewhere."""
    first, second = torch.device("cuda", 0), torch.device("cuda", 1)
    for device, start in ((second, CPU), (first, second), (CPU, first), (second, second)):
        machine, (rows, a, b), dtype = pretend_gpus(2), trial.sizes(3), trial.dtype()
        net, X = nn.Sequential(nn.Tanh(), nn.Linear(a, b, dtype=dtype)), trial.tensor(rows, a, dtype=dtype)
        with machine:
            net.to(device)
        trial.plan(
            tr(
                "Sequential(Tanh(), Linear({a}, {b})) on {device}, X of shape {shape} on {start}",
                a=a,
                b=b,
                device=device,
                shape=(rows, a),
                start=start,
            ),
            nudge=tr("How does one ask any net, whatever its layers are, on which device it is?"),
        )
        yield machine, net, place(machine, X, start), device


EXERCISE = Exercise(
    name="run_where_it_lives",
    notebook="07_gpu",
    section="Nets",
    book=None,
    difficulty=1,
    minutes=5,
    task="Write a function that runs a net on X wherever the net's parameters are, leaves the result there, and leaves "
    "the net and X where they were.",
    stub=STUB,
    form=a_function,
    requirements=(runs_on_the_nets_device, moves_neither),
    hints=(
        "Which of the two is moved for each batch: a few rows, or millions of parameters?",
        "Find out where the first of the net's parameters is, and give the net a copy of X that is there.",
        "next(net.parameters()).device is the net's device; X.to(device) gives a copy back, and leaves X alone.",
    ),
    solution=run_where_it_lives,
    why="parameters() works for every net, so its first entry tells the device; X.to(device) is a copy there, or X "
    "itself if it is there already, and the result is on the device where it was computed.",
)
