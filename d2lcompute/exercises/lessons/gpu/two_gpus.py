"""Two products at the same time."""

from dataclasses import replace
from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, difference, shown, tr
from d2lcompute.exercises.lessons.gpu._machine import CPU, call_on, place, products
from d2lcompute.pretend import A100, Machine, pretend_gpus

__all__ = ["EXERCISE"]

STUB = """\
def two_gpus(X, Y, devices):
    raise NotImplementedError
"""

# So slow that a product of small matrices takes longer than giving the order.
SLOW = replace(A100, name="a slow card", flops_per_second={torch.float32: 1e7})
Devices = list[torch.device]


def two_gpus(X: torch.Tensor, Y: torch.Tensor, devices: list[torch.device]) -> tuple[torch.Tensor, torch.Tensor]:
    """Let two devices multiply at the same time."""
    X, Y = X.to(devices[0]), Y.to(devices[1])
    return X @ X, Y @ Y


def returns_both_products(answer: Any, trial: Trial) -> None:
    """The result is the pair of X @ X and Y @ Y."""
    machine, X, Y = _matrices(trial)
    trial.nudge = tr(
        "Multiply each matrix by itself, and hand both back in this order; no thread is needed, and none is watched."
    )

    came = call_on(machine, trial, answer, X, Y, list(machine.devices))

    P, Q = X @ X, Y @ Y
    mistakes = {
        tr("* multiplies element by element: the product of matrices is @."): (X * X, Y * Y),
        tr("The products are handed back in the other order."): (Q, P),
        tr("One factor is transposed: both are the matrix itself."): (X @ X.T, Y @ Y.T),
    }
    trial.same(_pair(came, trial), (P, Q), mistakes=mistakes)


def multiplies_on_each_device(answer: Any, trial: Trial) -> None:
    """The first product is computed on the first of devices, the second on the second, and there they stay."""
    both = (torch.device("cuda", 0), torch.device("cuda", 1))
    for devices in both, both[::-1]:
        for starts in (CPU, CPU), devices[::-1], devices[:1] * 2:
            machine, X, Y = _matrices(trial)
            place(machine, X, starts[0])
            place(machine, Y, starts[1])
            text = tr(
                "X on {starts}, Y on {starts2}, devices = [{devices}, {devices2}]",
                starts=starts[0],
                starts2=starts[1],
                devices=devices[0],
                devices2=devices[1],
            )
            trial.plan(text, nudge=tr("What has to be on a device before it can multiply there?"))

            came = _pair(call_on(machine, trial, answer, X, Y, list(devices)), trial)

            _require_places(machine, trial, [machine.places.of(each) for each in came], list(devices))


def launches_both_first(answer: Any, trial: Trial) -> None:
    """Both products are launched before either is waited for, so that both devices work at the same time."""
    machine, X, Y = _matrices(trial)
    trial.nudge = tr("What does the host do between its two orders?")

    call_on(machine, trial, answer, X, Y, list(machine.devices))

    bars = [products(machine, device) for device in machine.devices]
    if not all(bars):  # that is for another requirement
        return
    begins, ends = [bar[0].start_seconds for bar in bars], [bar[-1].end_seconds for bar in bars]
    begin, end = max(begins), min(ends)
    waited = [event for event in machine.timeline if event.name.startswith("wait") and event.start_seconds < begin]
    trial.require(
        begin < end,
        expected=tr("both products under way at the same time"),
        got=tr(
            "one ended {end:.2f} ms after the start, the other began after {begin:.2f} ms (modelled)",
            end=end * 1e3,
            begin=begin * 1e3,
        ),
        remark=tr(
            "The second product starts only after the first was waited for: a read or a synchronize "
            "stands between the two orders."
        )
        if waited
        else "",
    )


def _matrices(trial: Trial) -> tuple[Machine, torch.Tensor, torch.Tensor]:
    """Draw two matrices, each on a device of its own."""
    machine, (m, n) = pretend_gpus(2, card=SLOW), trial.sizes(2, 16, 24)
    X, Y = trial.tensor(m, m), trial.tensor(n, n)
    place(machine, X, machine.devices[0])
    place(machine, Y, machine.devices[1])
    trial.plan(tr("X of shape {shape} on cuda:0, Y of shape {shape2} on cuda:1", shape=(m, m), shape2=(n, n)), nudge="")
    return machine, X, Y


def _pair(came: Any, trial: Trial) -> tuple[torch.Tensor, torch.Tensor]:
    """Require a pair of tensors."""
    is_pair = isinstance(came, tuple | list) and len(came) == 2 and all(isinstance(t, torch.Tensor) for t in came)
    remark = tr("It gave None: is a return missing?") if came is None else tr("Hand both products back: return P, Q.")
    trial.require(is_pair, expected=tr("two tensors, X @ X and Y @ Y"), got=shown(came), remark=remark)
    return came[0], came[1]


def _require_places(machine: Machine, trial: Trial, came: Devices, devices: Devices) -> None:
    """Require that results are on their devices, and that they were computed there."""
    mistakes = {
        tr("The products are on each other's device: devices says which comes first."): devices[::-1],
        tr("Both products are on one device: they wait for each other in its queue."): [devices[0]] * 2,
        tr("The results were fetched back to the CPU: leave them where they were computed."): [CPU, CPU],
    }
    remark = next((text for text, value in mistakes.items() if difference(came, value) is None), "")
    computed = [device for device in machine.devices if products(machine, device)]
    if came == [CPU, CPU] and not computed:
        remark = tr("Everything was computed on the CPU: nobody has moved X and Y to the devices.")
    trial.require(
        came == devices,
        expected=tr("X @ X on {devices}, Y @ Y on {devices2}", devices=devices[0], devices2=devices[1]),
        got=tr("X @ X on {came}, Y @ Y on {came2}", came=came[0], came2=came[1]),
        remark=remark,
    )
    trial.require(
        len(computed) == 2,
        expected=tr("one product computed on each device"),
        got=tr("computed on {devices}, and moved afterwards", devices=", ".join(map(str, computed)) or tr("the CPU")),
        remark=tr("The result was moved to its device, and computed elsewhere: move the factors, then multiply."),
    )


EXERCISE = Exercise(
    name="two_gpus",
    notebook="07_gpu",
    section="Two devices at once",
    book=("5.6.4", "6.7.4"),
    difficulty=3,
    minutes=15,
    task="Write a function that computes X @ X on the first of two devices and Y @ Y on the second, wherever X and Y "
    "are, launches both before either is waited for, and returns both products where they were computed.",
    stub=STUB,
    form=a_function,
    requirements=(returns_both_products, multiplies_on_each_device, launches_both_first),
    hints=(
        "How long does the host need to order a product, and how long is the device busy with it?",
        "Move X to the first device and Y to the second, then give both orders, and nothing else in between.",
        "X = X.to(devices[0]) and the like for Y; then return X @ X and Y @ Y: no thread, no synchronize, no print.",
    ),
    solution=two_gpus,
    why="Each device has a queue of its own; @ puts an order into it and comes back at once, so the second device "
    "begins while the first is at work, and nothing in between makes the host wait.",
)
