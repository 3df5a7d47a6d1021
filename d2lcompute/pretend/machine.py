"""The machine: so many devices that are not there, real numbers, and a virtual clock."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

import torch

from .._current_machine import current_machine, set_current_machine
from .costs.cards import A100, EPYC_7742, Card, Host
from .hardware import Hardware
from .placement import CPU
from .torch_hooks.dispatch_mode import PretendDispatchMode
from .torch_hooks.function_mode import PretendFunctionMode
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
        card: the figures that each device is modelled with.
        host: the figures that the CPU is modelled with.

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


class Machine(Hardware):
    """A computer with pretended devices. :func:`pretend_gpus` makes it; a ``with`` block opens it.

    Args:
        n: the number of devices.
        card: the figures that each device is modelled with.
        host: the figures that the CPU is modelled with.
    """

    def __init__(self, n: int, *, card: Card, host: Host) -> None:
        super().__init__(n, card=card, host=host)
        self.calls = PretendFunctionMode(self)
        self._blocks: list[ExitStack] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(set_current_machine, current_machine())
            stack.enter_context(installed())
            stack.enter_context(self.calls)
            stack.enter_context(PretendDispatchMode(self))
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
