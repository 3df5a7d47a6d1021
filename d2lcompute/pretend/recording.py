"""Recording: counting transfers while a block runs, also where nothing is pretended."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode

from .._current_machine import current_machine
from .costs.counts import Transfers
from .host_reads import FROM_DATA, NUMBERS, elements_read, index_bytes, reads_of
from .operations import Call, operation, tensors_in
from .torch_hooks.eager import EagerDispatchMode

__all__ = ["record_transfers"]


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
    operations = _RecordingDispatchMode(transfers)
    with _RecordingFunctionMode(transfers, operations), operations:
        yield transfers


class _RecordingDispatchMode(EagerDispatchMode):  # type: ignore[no-untyped-call]  # torch's __init_subclass__
    """Sees reads and copies where they are operations."""

    def __init__(self, transfers: Transfers) -> None:
        super().__init__()
        self.transfers, self.is_muted = transfers, False

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
        call = Call(func, args, kwargs)
        for nbytes in index_bytes(call, _device):
            self.transfers.add_copy(nbytes, is_read=False)
        reads = reads_of(call, _device)
        for tensor in reads:
            self.transfers.add_read(tensor.element_size())
        if reads:
            return
        if op.name == "copy_" and args[1].device != args[0].device:
            waits = not (args[2] if len(args) > 2 else kwargs.get("non_blocking", False))
            self.transfers.add_copy(args[1].nbytes, is_read=waits and args[0].is_cpu)
        elif op.name == "_to_copy" and out.device != source.device:
            self.transfers.add_copy(out.nbytes, is_read=out.is_cpu and not kwargs.get("non_blocking", False))


def _device(tensor: torch.Tensor) -> torch.device:
    return tensor.device


class _RecordingFunctionMode(TorchFunctionMode):
    """Sees the reads that are no operation on the CPU, and several on an accelerator."""

    def __init__(self, transfers: Transfers, operations: _RecordingDispatchMode) -> None:
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
