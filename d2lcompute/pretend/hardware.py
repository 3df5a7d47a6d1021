"""Hardware: the devices of a pretended machine, where tensors are on them, and what they are busy with."""

from contextlib import AbstractContextManager

import torch
from torch.overrides import TorchFunctionMode

from .._arguments import checked_integer
from .._current_machine import current_machine
from .._translation import N_
from .casts import CastCache
from .costs.allocator import CachingAllocator
from .costs.cards import Card, Host
from .costs.clock import Clock, Event
from .costs.counts import Transfers
from .costs.ledger import Ledger
from .placement import CPU, Places

__all__ = ["Hardware"]


class Hardware:
    """The devices of a pretended machine, and what a handler asks of them; the block is opened by ``Machine``.

    Args:
        n: the number of devices.
        card: the figures that each device is modelled with.
        host: the figures that the CPU is modelled with.

    Attributes:
        devices: its devices, ``cuda:0`` and so on.
        card: the figures of each device.
        host: the figures of the CPU.
        current_index: the number of the device that ``"cuda"`` means, set by ``torch.cuda.set_device``.
        unused_accelerators: how many real ones this computer has; inside the block they are out of reach.
        allocators: what hands out each device's memory.
        places: which tensor is on which device.
        ledger: what was entered on the virtual clock.
        calls: the mode that sees its program's calls of torch.
        casts: the casts that an open autocast region keeps.
    """

    calls: TorchFunctionMode

    def __init__(self, n: int, *, card: Card, host: Host) -> None:
        self.devices = tuple(
            torch.device("cuda", i)
            for i in range(checked_integer("n", n, minimum=0, meaning=N_("the number of devices to pretend")))
        )
        self.card, self.host = card, host
        self.current_index = 0
        real = current_machine() is None and torch.accelerator.is_available()
        self.unused_accelerators = torch.accelerator.device_count() if real else 0
        self.allocators = {device: CachingAllocator(device, card.memory_bytes) for device in self.devices}
        self.places = Places(self.allocators)
        self.ledger = Ledger(Clock(card, host), self.places)
        self.casts = CastCache()

    @property
    def device_count(self) -> int:
        """The number of pretended devices."""
        return len(self.devices)

    @property
    def is_current(self) -> bool:
        """Whether this machine's block is the innermost of this thread."""
        return current_machine() is self

    @property
    def elapsed_seconds(self) -> float:
        """The virtual seconds that the host has spent: what a clock says that is read now, without waiting."""
        return self.ledger.clock.host_seconds

    @property
    def transfers(self) -> Transfers:
        """What crossed between memories, in the form in which :func:`record_transfers` reports it."""
        return self.ledger.reports[0]

    @property
    def host_reads(self) -> int:
        """How often the host waited for values."""
        return self.transfers.host_reads

    @property
    def bytes_copied(self) -> int:
        """How many bytes crossed between memories."""
        return self.transfers.bytes_copied

    @property
    def timeline(self) -> tuple[Event, ...]:
        """Who was busy with what, and when, in the order in which it was launched."""
        return tuple(self.ledger.clock.events)

    def synchronize(self, device: torch.device | str | int | None = None) -> None:
        """Let the host wait, on the virtual clock, until a device has done all that it was given.

        Args:
            device: the device to wait for; as in torch, the current one by default.
        """
        if device is None and not self.devices:
            return
        where = self.resolve("cuda" if device is None else device)
        if where is not None and where != CPU:
            self.ledger.clock.wait(where)

    def resolve(self, device: torch.device | str | int) -> torch.device | None:
        """Return the device that is meant, with its number; None for ``meta``, which has no place.

        Raises:
            RuntimeError: if the machine has no such device.
        """
        wanted = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
        if wanted.type in ("cpu", "meta"):
            return CPU if wanted.type == "cpu" else None
        there = ", ".join(map(str, self.devices)) or "none"
        if wanted.type != "cuda":
            raise RuntimeError(f"pretend_gpus pretends cuda devices only; got {str(wanted)!r} (there are: {there})")
        index = self.current_index if wanted.index is None else wanted.index
        if index >= self.device_count:
            raise RuntimeError(f"CUDA error: invalid device ordinal: cuda:{index} (pretended here: {there})")
        return self.devices[index]

    def accelerator(self, device: torch.device | str | int | None = None) -> torch.device:
        """Return the pretended device that is meant; by default the current one.

        Raises:
            RuntimeError: if the machine has no such device.
            ValueError: if it is no accelerator.
        """
        where = self.resolve("cuda" if device is None else device)
        if where is None or where == CPU:
            raise ValueError(f"Expected a cuda device, but got: {device}")
        return where

    def reporting_to(self, transfers: Transfers) -> AbstractContextManager[None]:
        """Count transfers into one more report while a block runs."""
        return self.ledger.reporting_to(transfers)
