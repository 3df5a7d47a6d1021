"""Norms that stay on the device until all are there."""

from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, difference, shown, tr
from d2lcompute.exercises.lessons.gpu._machine import PRODUCTS, call_on, place, products
from d2lcompute.pretend import Machine, pretend_gpus

__all__ = ["EXERCISE"]

STUB = """\
def log_norms(A, B, n):
    raise NotImplementedError
"""


def log_norms(A: torch.Tensor, B: torch.Tensor, n: int) -> list[float]:
    """Multiply by B n times; return the norm of each product, read all at once."""
    norms = []
    for _ in range(n):
        A = A @ B
        norms.append(A.norm())
    return torch.stack(norms).tolist()


def returns_the_norms(answer: Any, trial: Trial) -> None:
    """The result is the list of the Frobenius norms of the n products, as floats."""
    machine, A, B, n = _task(trial, nudge=tr("Compute the first two products by hand: what is in the list after each?"))
    chain = [A]
    for _ in range(n):
        chain.append(chain[-1] @ B)
    expected = _norms(chain[1:])

    came = call_on(machine, trial, answer, A, B, n)

    trial.require(
        not isinstance(came, list) or all(isinstance(norm, float) for norm in came),
        expected=tr("a list of floats"),
        got=shown(came),
        remark=tr("What is in the list is still a tensor on the device: nobody has read its value."),
    )
    if difference(came, _norms([A @ B]) * n) is None:  # n times the same product: the book's loop, as good a load
        return
    mistakes = {
        tr("The first norm is that of A, before it was multiplied."): _norms(chain[:-1]),
        tr("These are the sums of the squares: the root is missing."): [norm**2 for norm in expected],
        tr("That is another norm: the Frobenius norm is the root of the sum of all squares."): [
            float(torch.linalg.matrix_norm(product, ord=2)) for product in chain[1:]
        ],
        tr("Only the last product's norm is there: the log has one entry for each product."): expected[-1:],
    }
    trial.same(came, expected, mistakes=mistakes)


def reads_once(answer: Any, trial: Trial) -> None:
    """The host reads values from the device a single time, whatever n is."""
    machine, A, B, n = _task(
        trial, nudge=tr("Which of your lines need a value on the host, and how often do they run?")
    )

    call_on(machine, trial, answer, A, B, n)

    reads = machine.host_reads
    trial.require(
        reads == 1,
        expected=tr("1 host read"),
        got=tr("{reads} host reads", reads=reads),
        remark=_about_reads(machine, reads, n),
    )


def multiplies_on_the_device(answer: Any, trial: Trial) -> None:
    """All n products are computed on the device where A and B are."""
    machine, A, B, n = _task(trial, nudge=tr("Where is each product computed, and is every one of them?"))

    call_on(machine, trial, answer, A, B, n)

    came = len(products(machine, machine.devices[0]))
    remark = tr("The matrices were fetched and multiplied on the CPU: leave them where they are, and fetch the norms.")
    trial.require(
        came >= n,
        expected=tr("{n} products on cuda:0", n=n),
        got=tr("{came} of them there", came=came),
        remark="" if came else remark,
    )


def _task(trial: Trial, *, nudge: str) -> tuple[Machine, torch.Tensor, torch.Tensor, int]:
    """Draw two matrices on a pretended machine, and a number of products."""
    n, rows, width = trial.sizes(3, 4, 9)
    dtype, machine = trial.dtype(), pretend_gpus(1)
    A, B = (trial.tensor(height, width, dtype=dtype) for height in (rows, width))
    device = machine.devices[0]
    trial.plan(
        tr(
            "n = {n}, A of shape {shape}, B of shape {shape2}, {dtype}, on {device}",
            n=n,
            shape=(rows, width),
            shape2=(width, width),
            dtype=dtype,
            device=device,
        ),
        nudge=nudge,
    )
    return machine, place(machine, A, device), place(machine, B, device), n


def _norms(matrices: list[torch.Tensor]) -> list[float]:
    """Return the roots of the sums of squares."""
    return [float((matrix**2).sum() ** 0.5) for matrix in matrices]


def _about_reads(machine: Machine, reads: int, n: int) -> str:
    """Say when the host read too often: after each product, or one norm after the other at the end."""
    if reads < n:
        return ""
    names = [event.name if event.lane != "host" else "" for event in machine.timeline]
    first = min(names.index(name) for name in ("read", "copy") if name in names)
    if any(name in PRODUCTS for name in names[first:]):
        return tr("You read a value after each product: {reads} host reads instead of 1.", reads=reads)
    return tr(
        "You fetch the norms one by one: {reads} host reads instead of 1. Join them on the device first.", reads=reads
    )


EXERCISE = Exercise(
    name="log_norms",
    notebook="07_gpu",
    section="What logging costs",
    book=("5.6.3", "6.7.3"),
    difficulty=3,
    minutes=15,
    task="Write a function that multiplies n times, A @ B, then that product by B, and so on, and returns the list of "
    "the n products' Frobenius norms as floats, with one host read in all.",
    stub=STUB,
    form=a_function,
    requirements=(returns_the_norms, reads_once, multiplies_on_the_device),
    hints=(
        "How does the host get at a value that is on the device, and what does it do until the value is there?",
        "Let the loop collect norms that stay on the device; after the loop make one tensor of them and read that.",
        "norm() gives a tensor on the device; torch.stack joins a list of such tensors, and tolist() reads it once.",
    ),
    solution=log_norms,
    why="norm() and append only give orders, so the host fills the queue without waiting; stack joins the norms on the "
    "device, and tolist() is the only line that needs values on the host.",
)
