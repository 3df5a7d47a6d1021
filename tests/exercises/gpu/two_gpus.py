"""Wrong answers to ``two_gpus``."""

from typing import Any

import torch

from d2lcompute.exercises.lessons.gpu.two_gpus import Devices, two_gpus
from tests.exercises.wrong_answers import WrongAnswer


def _as_they_are(X: torch.Tensor, Y: torch.Tensor, _: Devices) -> Any:
    return X @ X, Y @ Y


def _both_on_the_first(X: torch.Tensor, Y: torch.Tensor, devices: Devices) -> Any:
    X, Y = X.to(devices[0]), Y.to(devices[0])
    return X @ X, Y @ Y


def _by_number(X: torch.Tensor, Y: torch.Tensor, _: Devices) -> Any:
    X, Y = X.cuda(0), Y.cuda(1)
    return X @ X, Y @ Y


def _moved_afterwards(X: torch.Tensor, Y: torch.Tensor, devices: Devices) -> Any:
    return (X @ X).to(devices[0]), (Y @ Y).to(devices[1])


def _to_gives_back(X: torch.Tensor, Y: torch.Tensor, devices: Devices) -> Any:
    X.to(devices[0])
    Y.to(devices[1])
    return X @ X, Y @ Y


def _fetched(X: torch.Tensor, Y: torch.Tensor, devices: Devices) -> Any:
    P, Q = two_gpus(X, Y, devices)
    return P.cpu(), Q.cpu()


def _synchronized_between(X: torch.Tensor, Y: torch.Tensor, devices: Devices) -> Any:
    X, Y = X.to(devices[0]), Y.to(devices[1])
    P = X @ X
    torch.accelerator.synchronize(devices[0])
    return P, Y @ Y


def _printed_between(X: torch.Tensor, Y: torch.Tensor, devices: Devices) -> Any:
    X, Y = X.to(devices[0]), Y.to(devices[1])
    P = X @ X
    print("first product done, its norm is", P.norm().item())
    return P, Y @ Y


def _elementwise(X: torch.Tensor, Y: torch.Tensor, devices: Devices) -> Any:
    X, Y = X.to(devices[0]), Y.to(devices[1])
    return X * X, Y * Y


def _transposed(X: torch.Tensor, Y: torch.Tensor, devices: Devices) -> Any:
    X, Y = X.to(devices[0]), Y.to(devices[1])
    return X @ X.T, Y @ Y.T


def _other_order(X: torch.Tensor, Y: torch.Tensor, devices: Devices) -> Any:
    return two_gpus(X, Y, devices)[::-1]


WRONG_ANSWERS = (
    WrongAnswer(_as_they_are, "nobody has moved X and Y", "It works when both happen to be in the right place."),
    WrongAnswer(_to_gives_back, "nobody has moved X and Y", "A module's .to works in place, a tensor's does not."),
    WrongAnswer(_both_on_the_first, "Both products are on one device", "One line is copied and not adapted."),
    WrongAnswer(_by_number, "on each other's device", "The two devices are called 0 and 1 nearly everywhere."),
    WrongAnswer(_moved_afterwards, "move the factors", "The results end up on the right devices."),
    WrongAnswer(_fetched, "fetched back to the CPU", "Results are wanted on the CPU in the end."),
    WrongAnswer(
        _synchronized_between, "only after the first was waited for", "Waiting after each step seems to be careful."
    ),
    WrongAnswer(_printed_between, "only after the first was waited for", "A progress message seems to be free."),
    WrongAnswer(_elementwise, "element by element", "* is the product of numbers."),
    WrongAnswer(_transposed, "One factor is transposed", "X @ X.T is the product that one meets more often."),
    WrongAnswer(_other_order, "in the other order", "Two results of the same kind are easily swapped."),
)
