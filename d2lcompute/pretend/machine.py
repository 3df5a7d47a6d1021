"""The machine: so many devices that are not there, real numbers, and a virtual clock."""

from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

import torch

from .._arguments import checked_integer
from .._current_machine import current_machine, set_current_machine
from .costs.cards import A100, EPYC_7742, Card, Host
from .costs.clock import Clock, Event
from .costs.ledger import Ledger
from .placement import CPU, Places
from .recording import Transfers
from .torch_hooks.autocast import CastCache
from .torch_hooks.modes import Calls, Operations
from .torch_hooks.patches import installed

__all__ = ["Machine", "pretend_gpus"]


def pretend_gpus(n: int, *, card: Card = A100, host: Host = EPYC_7742) -> "Machine":
    """Pretend, inside a ``with`` block, that this computer has ``n`` accelerators.

    Tensors and modules are made on them, moved to them and copied between them; what is computed is computed on the
    CPU, so that every number is real and equal to a CPU run's. What PyTorch refuses on real devices is refused in its
    own words. A virtual clock tells what the program would cost on ``n`` such cards: a modelled time, never a
    measurement. Only the thread that opens the block is pretended to. Blocks nest: the inner machine is another one,
    on which the outer one's tensors count as CPU tensors. So they do after the block.

    Args:
        n: the number of devices, ``cuda:0`` and so on; with 0 there is no accelerator, whatever this computer has.
        card: the figures that each device is reckoned with.
        host: the figures that the CPU is reckoned with.

    Returns:
        The machine. Used again in another ``with``, it goes on: its tensors are where they were, its clock runs on.

    Raises:
        TypeError: if ``n`` is no integer.
        ValueError: if ``n`` is negative.

    Example:
        >>> with pretend_gpus(2) as machine:
        ...     X = torch.ones(2, 3, device="cuda:0")
        ...     X.cuda(1).sum()
        tensor(6., device='cuda:1')
        >>> machine.host_reads, machine.bytes_copied
        (1, 28)

    Source:
        Book zh 5.6 / en 6.7, which asks for two GPUs.
    """
    return Machine(n, card=card, host=host)


class Machine:
    """A computer with pretended devices. :func:`pretend_gpus` makes it.

    Args:
        n: the number of devices.
        card: the figures that each device is reckoned with.
        host: the figures that the CPU is reckoned with.

    Attributes:
        devices: its devices, ``cuda:0`` and so on.
        card: the figures of each device.
        host: the figures of the CPU.
        current_index: the number of the device that ``"cuda"`` means, set by ``torch.cuda.set_device``.
        unused_accelerators: how many real ones this computer has; inside the block they are out of reach.
        places: which tensor is on which device.
        ledger: what was entered on the virtual clock.
        calls: the mode that sees its program's calls of torch.
    """

    def __init__(self, n: int, *, card: Card, host: Host) -> None:
        self.devices = tuple(
            torch.device("cuda", i)
            for i in range(checked_integer("n", n, minimum=0, meaning="the number of devices to pretend"))
        )
        self.card, self.host = card, host
        self.current_index = 0
        real = current_machine() is None and torch.accelerator.is_available()
        self.unused_accelerators = torch.accelerator.device_count() if real else 0
        self.places = Places()
        self.ledger = Ledger(Clock(card, host), self.places)
        self.calls = Calls(self)
        self.casts = CastCache()
        self._blocks: list[ExitStack] = []

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
        """Who was busy with what, and when, in the order in which it was ordered."""
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

    def reporting_to(self, transfers: Transfers) -> AbstractContextManager[None]:
        """Count transfers into one more report while a block runs."""
        return self.ledger.reporting_to(transfers)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(set_current_machine, current_machine())
            stack.enter_context(installed())
            stack.enter_context(self.calls)
            stack.enter_context(Operations(self))
            stack.callback(_restore_default_device, torch.get_default_device())
            set_current_machine(self)
            self._blocks.append(stack.pop_all())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._blocks.pop().close()

    def __repr__(self) -> str:
        unused = f"; {self.unused_accelerators} real ones are not used" if self.unused_accelerators else ""
        return f"Machine({self.device_count} × {self.card.name} (pretended{unused}), {self.transfers})"


def _restore_default_device(before: torch.device) -> None:
    """Undo a ``torch.set_default_device`` of the block: its device is gone."""
    if torch.get_default_device() != before:
        torch.set_default_device(None if before == CPU else before)
