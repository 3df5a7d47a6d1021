"""A mean that is read once."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, shown, tr
from d2lcompute.exercises.lessons.gpu._machine import call_on
from d2lcompute.pretend import Machine, pretend_gpus

__all__ = ["EXERCISE"]

STUB = """\
def mean_loss_one_read(net, batches, device):
    raise NotImplementedError
"""

Batches = list[tuple[torch.Tensor, torch.Tensor]]


def mean_loss_one_read(net: nn.Module, batches: list[tuple[torch.Tensor, torch.Tensor]], device: torch.device) -> float:
    """Collect the losses on the device; read their mean."""
    losses = []
    with torch.no_grad():
        for X, y in batches:
            losses.append(nn.functional.mse_loss(net(X.to(device)), y.to(device)))
    return torch.stack(losses).mean().item()


def returns_the_mean(answer: Any, trial: Trial) -> None:
    """The result is the mean of the batches' mean squared errors, as a float; each batch counts the same."""
    machine, net, batches, device = _task(
        trial, nudge=tr("Where are the net, X and y when a loss is computed, and what is done with the losses?")
    )
    losses = [float(((net(X) - y) ** 2).mean()) for X, y in batches]
    rows = [len(X) for X, _ in batches]
    expected = sum(losses) / len(losses)

    came = call_on(machine, trial, answer, net, batches, device)

    remark = tr("It gave None: is a return missing?") if came is None else tr("Return a number.")
    if isinstance(came, torch.Tensor):
        remark = tr("That is a tensor, which may still be on the device: the one read that you have is for its value.")
    trial.require(isinstance(came, float), expected=tr("a float"), got=shown(came), remark=remark)
    mistakes = {
        tr("The losses are added up, and not divided by the number of batches."): sum(losses),
        tr("Each row counts the same, so that large batches weigh more: the mean is that over the batches."): sum(
            loss * n for loss, n in zip(losses, rows, strict=True)
        )
        / sum(rows),
        tr("That is the last batch's loss."): losses[-1],
        tr("The squared errors of a batch are added up: its loss is their mean."): sum(
            loss * batch[1].numel() for loss, batch in zip(losses, batches, strict=True)
        )
        / len(losses),
    }
    trial.same(came, expected, mistakes=mistakes)


def reads_once(answer: Any, trial: Trial) -> None:
    """The host reads values from the device a single time, however many batches there are."""
    machine, net, batches, device = _task(trial, nudge=tr("Which of your lines need a value on the host?"))

    call_on(machine, trial, answer, net, batches, device)

    reads, remark = machine.host_reads, ""
    if machine.places.of(next(net.parameters())) != device:
        remark = tr(
            "The net was fetched to the CPU, and each of its parameters is a read: the batches come to the net."
        )
    elif reads >= len(batches):
        remark = tr(
            "You read a value for each batch: {reads} host reads instead of 1, and the host waits in each.", reads=reads
        )
    trial.require(reads == 1, expected=tr("1 host read"), got=tr("{reads} host reads", reads=reads), remark=remark)


def _task(trial: Trial, *, nudge: str) -> tuple[Machine, nn.Module, Batches, torch.device]:
    """Draw a net on a pretended machine's second device, and batches of several sizes on the CPU."""
    machine, count, (a, b) = pretend_gpus(2), trial.size(4, 7), trial.sizes(2)
    device = machine.devices[1]
    rows = trial.sizes(count)
    net = nn.Sequential(nn.Linear(a, 8), nn.Tanh(), nn.Linear(8, b))
    batches = [(trial.tensor(n, a), trial.tensor(n, b)) for n in rows]
    with machine:
        net.to(device)
    text = tr(
        "a net on {device}, {count} batches on cpu with {rows} rows of {a} numbers",
        device=device,
        count=count,
        rows=", ".join(map(str, rows)),
        a=a,
    )
    trial.plan(text, nudge=nudge)
    return machine, net, batches, device


EXERCISE = Exercise(
    name="mean_loss_one_read",
    notebook="07_gpu",
    section="Copying to the device",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that returns as a float the mean over batches (X, y), which are on the CPU, of the mean "
    "squared error of a net that is on device, with one host read in all.",
    stub=STUB,
    form=a_function,
    requirements=(returns_the_mean, reads_once),
    hints=(
        "Does the device need the host to know a loss before it computes the next one?",
        "Send each batch to the device, keep its loss there, and read when the mean over all batches is computed.",
        "Collect the losses in a list; torch.stack(...).mean() is on the device still, and item() is the one read.",
    ),
    solution=mean_loss_one_read,
    why="Copying a batch to the device is no read; the losses stay on the device and are averaged there, so that the "
    "host waits once, for the mean; no_grad() spares the memory for gradients that nobody asks for.",
)
