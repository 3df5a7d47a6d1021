"""Transfers: what crosses between memories, and how often the host waits for a value."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from .._current_machine import current_machine
from .host_reads import FROM_DATA, NUMBERS, elements_read, scalars_read
from .operations import Call, has_mask, operation, tensors_in

__all__ = ["Transfers", "record_transfers"]


@dataclass
class Transfers:
    """What crossed between memories. A pretended machine and :func:`record_transfers` report it alike.

    Attributes:
        host_reads: how often the host waited for values: ``.item()``, ``.tolist()``, ``float(X)``, ``if X:``,
            ``print(X)``, ``X.cpu()``, each element of ``torch.tensor([X, Y])``, and operations whose result's size
            depends on values.
        copies: how many tensors were copied from one memory to another.
        bytes_copied: how many bytes reads and copies moved in all.
    """

    host_reads: int = 0
    copies: int = 0
    bytes_copied: int = 0

    def __str__(self) -> str:
        return f"{self.host_reads} host reads, {self.copies} copies, {self.bytes_copied} bytes copied"

    def add_read(self, nbytes: int) -> None:
        """Count one read by the host."""
        self.host_reads += 1
        self.bytes_copied += nbytes

    def add_copy(self, nbytes: int, *, is_read: bool) -> None:
        """Count one copy; ``is_read`` if the host waited to have it."""
        self.copies += 1
        self.host_reads += is_read
        self.bytes_copied += nbytes


@contextmanager
def record_transfers() -> Iterator[Transfers]:
    """Count host reads and copies while a block runs: on real accelerators, on the CPU, or on a pretended machine.

    On the CPU every read counts (there it costs next to nothing) and nothing is copied: it has one memory.

    Returns:
        A context manager that gives the :class:`Transfers`, counted as the block goes on.

    Example:
        >>> with record_transfers() as transfers:
        ...     total = sum(loss.item() for loss in torch.ones(3))
        >>> transfers.host_reads
        3
    """
    transfers = Transfers()
    machine = current_machine()
    if machine is not None:
        with machine.reporting_to(transfers):
            yield transfers
        return
    operations = _Operations(transfers)
    with _Calls(transfers, operations), operations:
        yield transfers


class _Operations(TorchDispatchMode):
    """Sees reads and copies where they are operations."""

    def __init__(self, transfers: Transfers) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.transfers, self.is_muted = transfers, False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare the first operation the seconds that importing the compiler takes."""
        return False

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if not self.is_muted:
            self._count(func, args, kwargs or {}, out)
        return out

    def _count(self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        op = operation(func)
        source = next(iter(tensors_in(args)), None)
        if source is None:
            return
        for value in scalars_read(Call(func, args, kwargs), _device):
            self.transfers.add_read(value.element_size())
        if op.reads or (op.is_indexing and has_mask(args[1])):
            self.transfers.add_read(source.element_size())
        elif op.name == "copy_" and args[1].device != args[0].device:
            waits = not (args[2] if len(args) > 2 else kwargs.get("non_blocking", False))
            self.transfers.add_copy(args[1].nbytes, is_read=waits and args[0].is_cpu)
        elif op.name == "_to_copy" and out.device != source.device:
            self.transfers.add_copy(out.nbytes, is_read=out.is_cpu and not kwargs.get("non_blocking", False))


def _device(tensor: torch.Tensor) -> torch.device:
    return tensor.device


class _Calls(TorchFunctionMode):
    """Sees the reads that are no operation on the CPU, and several on an accelerator."""

    def __init__(self, transfers: Transfers, operations: _Operations) -> None:
        super().__init__()
        self.transfers, self.operations = transfers, operations

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        before, kwargs = self.transfers.host_reads, kwargs or {}
        if func in (torch.Tensor.tolist, torch.Tensor.__repr__) and not self.operations.is_muted:
            return self._read_whole(func, args, kwargs)
        out = func(*args, **kwargs)
        if self.operations.is_muted:
            return out
        if func in NUMBERS and self.transfers.host_reads == before:  # as in torch.Tensor(list)
            self.transfers.add_read(args[0].element_size())
        elif func in FROM_DATA:
            for element in elements_read(Call(func, args, kwargs)):
                self.transfers.add_read(element.element_size())
        return out

    def _read_whole(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.transfers.add_read(args[0].nbytes)
        self.operations.is_muted = True
        try:
            return func(*args, **kwargs)
        finally:
            self.operations.is_muted = False
