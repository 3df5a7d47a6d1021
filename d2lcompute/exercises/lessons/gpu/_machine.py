"""What the checks of this notebook share: an answer is called on a pretended machine, and its timeline is read."""

from collections.abc import Callable
from typing import Any

import torch

from d2lcompute.exercises.authoring import Trial
from d2lcompute.pretend import Event, Machine

__all__ = ["CPU", "PRODUCTS", "call_on", "place", "products"]

CPU = torch.device("cpu")
PRODUCTS = ("mm", "bmm", "addmm", "baddbmm")


def place(machine: Machine, tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Say that a drawn tensor is on a device: the tensor itself, so that the trial sees whether it is written into."""
    machine.places.put(tensor, device)
    return tensor


def call_on(machine: Machine, trial: Trial, answer: Callable[..., Any], *args: Any) -> Any:
    """Call the answer on a pretended machine; once its block is closed, every tensor can be compared on the CPU."""

    def call(*args: Any) -> Any:
        default = torch.get_default_device()
        try:
            with machine:
                try:
                    return answer(*args)
                finally:
                    default = torch.get_default_device()
        finally:
            # The end of the block undoes a change of the default device, which the check has to see.
            if torch.get_default_device() != default:
                torch.set_default_device(default)

    return trial.call(call, *args)


def products(machine: Machine, device: torch.device) -> list[Event]:
    """Return the matrix products that a device has computed, in their order."""
    lane = "host" if device == CPU else str(device)
    return [event for event in machine.timeline if event.lane == lane and event.name in PRODUCTS]
