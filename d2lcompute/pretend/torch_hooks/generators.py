"""Generators: ``torch.Generator`` of a pretended device. Its numbers are those of the CPU's algorithm."""

from typing import Any

import torch

from ..hardware import Hardware
from ..operations import CPU
from .handler import constructs

__all__ = ()


class Generator(torch.Generator):
    """A generator of the CPU's kind that says it is a device's.

    Args:
        device: the pretended device.
    """

    device = CPU  # in place of the attribute that torch writes itself

    def __new__(cls, device: torch.device) -> "Generator":
        """Make one with torch's default seed."""
        generator = super().__new__(cls)
        generator.device = device
        return generator

    def clone_state(self) -> "Generator":
        """Return another one of the same device that goes on with the same numbers."""
        other = Generator(self.device)
        other.set_state(self.get_state())
        return other

    def __reduce__(self) -> Any:
        """Say, to ``copy`` and ``pickle``, how one like this is made."""
        _, _, state = super().__reduce__()
        return torch.Generator, (self.device,), state


@constructs(torch, "Generator")
def _generator(machine: Hardware, make: Any, device: Any = None) -> torch.Generator:
    where = CPU if device is None else machine.resolve(device)
    return make(device) if where in (None, CPU) else Generator(where)
