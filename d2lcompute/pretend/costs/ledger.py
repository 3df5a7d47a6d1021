"""The ledger: what each operation, copy and read costs, entered on the virtual clock and counted."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import torch

from ..host_reads import index_bytes, reads_of, waits_for_result
from ..operations import Call, Operation, bytes_touched, flops, tensors_in
from ..placement import CPU, Places
from .clock import Clock
from .counts import Transfers

__all__ = ["Ledger", "OnWait"]

_SYNCHRONIZES = "called a synchronizing CUDA operation"
_INNER = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))


class OnWait(IntEnum):
    """What ``torch.cuda.set_sync_debug_mode`` asks for, by its numbers."""

    IGNORE, WARN, RAISE = range(3)

    def act(self) -> None:
        """Do it.

        Warns:
            UserWarning: at the line of the program that waits.

        Raises:
            RuntimeError: in PyTorch's own words.
        """
        if self is OnWait.RAISE:
            raise RuntimeError(_SYNCHRONIZES)
        if self is OnWait.WARN:
            warnings.warn(_SYNCHRONIZES, UserWarning, stacklevel=_frames_to_the_program())


def _frames_to_the_program() -> int:
    """Count the frames from the caller of ``warnings.warn`` to the first that is neither torch's nor this package's."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INNER):
        frame, level = frame.f_back, level + 1
    return level


class Ledger:
    """Enters what a program does on a clock, and counts its transfers.

    Args:
        clock: the virtual clock.
        places: where tensors are.

    Attributes:
        reports: what counts the transfers.
        on_wait: what is done where the host waits unasked, for a copy or a value.
    """

    def __init__(self, clock: Clock, places: Places) -> None:
        self.clock, self.places = clock, places
        self.reports = [Transfers()]
        self.on_wait = OnWait.IGNORE
        self._is_closed = False

    def enter_operation(self, call: Call, device: torch.device, out: object) -> None:
        """Enter one operation that ran on a device."""
        op, args, tensors = call.op, call.args, [*call.tensors, *tensors_in(out)]
        if self._is_closed or op.is_free or not tensors:
            return
        if op.name == "copy_" and (source := self.places.of(args[1])) != device:
            non_blocking = len(args) > 2 and args[2]
            self.enter_copy(source, device, args[0].nbytes, wait=not non_blocking)
            return
        awaited: list[torch.Tensor] = []
        result = None
        if op.may_read:
            for nbytes in index_bytes(call, self.places.of):
                self.enter_copy(CPU, device, nbytes, wait=True)
            awaited = reads_of(call, self.places.of)
            result = awaited.pop() if waits_for_result(call, self.places.of) else None
        for value in awaited:
            self.enter_read(self.places.of(value), value.element_size())
        if op.name != "_local_scalar_dense":  # the read itself: no kernel
            self.clock.run(device, op.name, flops(call, out), bytes_touched(tensors), _dtype(tensors))
        if result is not None:
            self.enter_read(device, result.element_size())

    def enter_share(self, op: Operation, device: torch.device, tensors: list[torch.Tensor]) -> None:
        """Enter one device's share of an operation on lists."""
        if not self._is_closed:
            self.clock.run(device, op.name, 0, bytes_touched(tensors), _dtype(tensors))

    def enter_copy(self, source: torch.device, target: torch.device, nbytes: int, *, wait: bool) -> None:
        """Enter a copy; the host waits for one to or from its own memory, unless ``wait`` is false."""
        if self._is_closed:
            return
        waits = wait and CPU in (source, target)
        if waits:
            self.on_wait.act()
        for report in self.reports:
            report.add_copy(nbytes, is_read=waits and target == CPU)
        self.clock.copy(source, target, nbytes, wait=waits)

    def enter_read(self, device: torch.device, nbytes: int) -> None:
        """Enter a read by the host; what is on the CPU it reads for nothing."""
        if self._is_closed or device == CPU:
            return
        self.on_wait.act()
        for report in self.reports:
            report.add_read(nbytes)
        self.clock.read(device, nbytes)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Enter nothing while a block runs: what it does stands for something that is entered as a whole."""
        before, self._is_closed = self._is_closed, True
        try:
            yield
        finally:
            self._is_closed = before

    @contextmanager
    def reporting_to(self, transfers: Transfers) -> Iterator[None]:
        """Count into one more report while a block runs."""
        self.reports.append(transfers)
        try:
            yield
        finally:
            self.reports = [report for report in self.reports if report is not transfers]


def _dtype(tensors: list[torch.Tensor]) -> torch.dtype:
    """Return the dtype that an operation computes in: that of its last floating-point tensor."""
    for tensor in reversed(tensors):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.float32
