"""Where a net's memory is."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, shown, tr
from d2lcompute.exercises.lessons.gpu._machine import call_on
from d2lcompute.pretend import Machine, pretend_gpus

__all__ = ["EXERCISE"]

STUB = """\
def bytes_on(net):
    raise NotImplementedError
"""


def bytes_on(net: nn.Module) -> dict[str, int]:
    """Add up the bytes of parameters and buffers on each device."""
    total: dict[str, int] = {}
    for tensor in [*net.parameters(), *net.buffers()]:
        device = str(tensor.device)
        total[device] = total.get(device, 0) + tensor.nbytes
    return total


def adds_up_parameters(answer: Any, trial: Trial) -> None:
    """The result has the bytes of the parameters on each device, under the device's name."""
    a, b, c, d = trial.sizes(4)
    machine = pretend_gpus(2)
    layers = nn.Linear(a, b), nn.Linear(b, c, dtype=torch.float64), nn.Linear(c, d, dtype=torch.float16)
    with machine:
        net = nn.Sequential(layers[0].to("cuda:1"), layers[1].to("cuda:0"), layers[2])
    text = tr(
        "Linear({a}, {b}) on cuda:1, Linear({b}, {c}) of float64 on cuda:0, Linear({c}, {d}) of float16 on cpu",
        a=a,
        b=b,
        c=c,
        d=d,
    )
    trial.plan(text, nudge=tr("What does a parameter know of its device and of its size?"))
    numbers = {"cuda:1": (a + 1) * b, "cuda:0": (b + 1) * c, "cpu": (c + 1) * d}
    expected = {"cuda:1": 4 * numbers["cuda:1"], "cuda:0": 8 * numbers["cuda:0"], "cpu": 2 * numbers["cpu"]}

    came = _bytes(answer, trial, machine, net)

    weights = {"cuda:1": 4 * a * b, "cuda:0": 8 * b * c, "cpu": 2 * c * d}
    mistakes = {
        tr(
            "These are numbers of elements: how many bytes has an element of float64, how many one of float16?"
        ): numbers,
        tr("Each element counts as four bytes: float64 takes eight, and float16 two."): {
            device: 4 * number for device, number in numbers.items()
        },
        tr("All bytes are booked on one device: each parameter knows its own."): {"cuda:1": sum(expected.values())},
        tr("The weights are there, the biases are not."): weights,
    }
    trial.same(came, _sorted(expected), mistakes={text: _sorted(value) for text, value in mistakes.items()})


def adds_up_buffers(answer: Any, trial: Trial) -> None:
    """Buffers count as well, also those that are not saved with the net."""
    width, size = trial.sizes(2)
    machine = pretend_gpus(1)
    net = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width))
    net.register_buffer("scratch", torch.zeros(size), persistent=False)
    with machine:
        net.to("cuda:0")
    trial.plan(
        tr(
            "Linear({width}, {width}), BatchNorm1d({width}) and a buffer of {size} numbers that is "
            "not saved, on cuda:0",
            width=width,
            size=size,
        ),
        nudge=tr("What does a net hold besides its parameters, and which method lists it?"),
    )
    parameters, saved = 4 * (width * width + 3 * width), 4 * 2 * width + 8

    came = _bytes(answer, trial, machine, net)

    mistakes = {
        tr("Only the parameters are counted: buffers lie in the same memory."): {"cuda:0": parameters},
        tr("A buffer with persistent=False is missing: it is in the memory, and not in the state_dict."): {
            "cuda:0": parameters + saved
        },
    }
    trial.same(came, {"cuda:0": parameters + saved + 4 * size}, mistakes=mistakes)


def counts_tied_ones_once(answer: Any, trial: Trial) -> None:
    """A parameter or buffer that is used in several places is counted once."""
    width = trial.size(3, 9)
    machine = pretend_gpus(1)
    shared = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width))
    with machine:
        net = nn.Sequential(shared, nn.Tanh(), shared).to("cuda:0")
        last = nn.Linear(width, width, bias=False, device="cuda:0")
    last.weight = shared[0].weight  # type: ignore[assignment]
    net.append(last)
    trial.plan(
        tr(
            "Linear({width}, {width}) and BatchNorm1d({width}), both used twice, and a layer with the same weight",
            width=width,
        ),
        nudge=tr("How many tensors are there in the memory, and how often is each of them met on the way?"),
    )
    parameters, buffers = 4 * (width * width + 3 * width), 4 * 2 * width + 8

    came = _bytes(answer, trial, machine, net)

    remark = tr("A tensor that is used in several places is in the memory once: this counts it in each place.")
    other = tr("Each module is met once, but two modules may have one weight between them: it is in the memory once.")
    by_name = 2 * (parameters + buffers) + 4 * width * width
    by_module = parameters + buffers + 4 * width * width
    mistakes = {remark: {"cuda:0": by_name}, other: {"cuda:0": by_module}}
    trial.same(came, {"cuda:0": parameters + buffers}, mistakes=mistakes)


def _bytes(answer: Any, trial: Trial, machine: Machine, net: nn.Module) -> Any:
    """Call the answer; return a dict in the order of its keys, without devices that hold nothing."""
    came = call_on(machine, trial, answer, net)
    remark = (
        tr("It gave None: is a return missing?") if came is None else tr("Hand over one dict: name of a device, bytes.")
    )
    trial.require(
        isinstance(came, dict), expected=tr("a dict from names of devices to bytes"), got=shown(came), remark=remark
    )
    trial.require(
        all(isinstance(device, str) for device in came),
        expected=tr("names of devices as keys"),
        got=tr("the keys {came}", came=shown(list(came))),
        remark=tr("The keys are devices, not their names: str() of a device is its name."),
    )
    return _sorted({device: size for device, size in came.items() if size})


def _sorted(sizes: dict[str, int]) -> dict[str, int]:
    """Return a dict in the order of its keys: any order will do."""
    return dict(sorted(sizes.items()))


EXERCISE = Exercise(
    name="bytes_on",
    notebook="07_gpu",
    section="What fills the memory",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that returns how many bytes of a net's parameters and buffers are on each device, as a dict "
    "from the device's name to bytes, tied ones counted once.",
    stub=STUB,
    form=a_function,
    requirements=(adds_up_parameters, adds_up_buffers, counts_tied_ones_once),
    hints=(
        "Which tensors does net.to(device) move?",
        "Go through all parameters and all buffers, and add each one's bytes to what its device has already.",
        "parameters() and buffers() give each tensor once; the key is str(tensor.device), the size tensor.nbytes.",
    ),
    solution=bytes_on,
    why="parameters() and buffers() give every tensor of the net once, however many places use it and whether it is "
    "saved or not; nbytes is the number of its elements times the bytes of one.",
)
