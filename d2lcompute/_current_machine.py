"""The current machine: which pretended machine, if any, counts in this thread, and whose clock is read."""

import threading
import time
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch

__all__ = ["PretendedMachine", "clock_seconds", "current_machine", "set_current_machine"]


class PretendedMachine(Protocol):
    """What the helpers ask a pretended machine while its block is open in this thread."""

    @property
    def device_count(self) -> int: ...  # a protocol's members are described where they are written

    @property
    def elapsed_seconds(self) -> float: ...

    def synchronize(self, device: torch.device | str | int | None = None) -> None: ...

    def reporting_to(self, transfers: Any) -> AbstractContextManager[None]: ...


class _Situation(threading.local):
    machine: PretendedMachine | None = None


_situation = _Situation()


def current_machine() -> PretendedMachine | None:
    """Return the pretended machine whose block is open in this thread, or None."""
    return _situation.machine


def set_current_machine(machine: PretendedMachine | None) -> None:
    """Let a machine count in this thread from now on; None ends pretending."""
    _situation.machine = machine


def clock_seconds() -> float:
    """Read the clock that counts here: the pretended machine's inside its block, else the system's monotonic one."""
    machine = current_machine()
    return time.perf_counter() if machine is None else machine.elapsed_seconds
