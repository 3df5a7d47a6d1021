"""Placement: which pretended device a tensor is on, kept on the memory that it uses.

A view, a detached tensor, a gradient and what autograd has saved share their memory, so they share its place.
"""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import torch

from .costs.allocator import CachingAllocator
from .mixing import check_arguments, elementwise_error
from .operations import CPU, Call, Operation, storage_of, tensors_in

__all__ = ["CPU", "Places"]

_ANYWHERE = torch.device("meta")  # made inside a backward pass by torch itself: goes where it is used first
_HERE, _OPEN = SimpleNamespace(device=CPU), SimpleNamespace(device=_ANYWHERE)
_numbers = itertools.count()


class Places:
    """The places that one machine has given out. Each machine sees only its own.

    A storage on a device carries the memory that it was given there, which is free again when the storage is gone.

    Args:
        allocators: the allocator of each device.
    """

    def __init__(self, allocators: Mapping[torch.device, CachingAllocator]) -> None:
        self._allocators = allocators
        self._key = f"_pretended_{next(_numbers)}"
        self._pinned = f"{self._key}_pinned"
        self._call: Call | None = None

    def of(self, tensor: torch.Tensor) -> torch.device:
        """Return the device that a tensor is on: the CPU, unless this machine has put it elsewhere."""
        found = self._found(tensor)
        return CPU if found is _ANYWHERE else found

    def of_storage(self, storage: torch.UntypedStorage) -> torch.device:
        """Return the device that a storage is on."""
        found = getattr(storage, self._key, _HERE).device
        return CPU if found is _ANYWHERE else found

    def put(self, tensor: torch.Tensor, device: torch.device | None) -> None:
        """Say that a tensor's memory is on a device; None leaves it open until it is used.

        Raises:
            torch.OutOfMemoryError: if the device has not so much left.
            NotImplementedError: if the tensor has no memory that could be on a pretended device.
        """
        storage = storage_of(tensor)
        if storage is not None:
            self.put_storage(storage, _ANYWHERE if device is None else device)
        elif device not in (None, CPU):
            raise NotImplementedError(
                f"a tensor of layout {tensor.layout} is not covered by pretend_gpus: its devices hold dense ones only"
            )

    def put_storage(self, storage: torch.UntypedStorage, device: torch.device) -> None:
        """Say that a storage is on a device; say it again where its size may have changed.

        Raises:
            torch.OutOfMemoryError: if the device has not so much left.
        """
        found = getattr(storage, self._key, None)
        if device == CPU:
            if found is not None:
                delattr(storage, self._key)
        elif device is _ANYWHERE:
            setattr(storage, self._key, _OPEN)
        elif found is None or found.device != device or found.nbytes != storage.nbytes():
            setattr(storage, self._key, self._allocators[device].allocate(storage.nbytes()))

    def is_real(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor has values, as all have but those on ``meta``.

        Raises:
            RuntimeError: if it is on an accelerator that this computer really has.
        """
        if tensor.is_cpu or tensor.is_meta:
            return bool(tensor.is_cpu)
        raise RuntimeError(
            f"inside pretend_gpus every device but the CPU is pretended; got a tensor on this computer's own "
            f"{tensor.device}: move it to the CPU before the block"
        )

    def pin(self, tensor: torch.Tensor) -> None:
        """Say that a tensor is in pinned memory."""
        setattr(storage_of(tensor), self._pinned, True)

    def is_pinned(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor is in pinned memory."""
        return hasattr(storage_of(tensor), self._pinned)

    @contextmanager
    def calling(self, call: Call) -> Iterator[None]:
        """Note the call of a torch function that is under way: operations without tensors ask it for their device."""
        outer, self._call = self._call, call
        try:
            yield
        finally:
            self._call = outer

    @property
    def is_named(self) -> bool:
        """Whether the call under way names a device for its results, so that they tell nothing of its arguments."""
        return self._call is not None and self._call.target is not None

    def device_for(self, call: Call) -> torch.device | None:
        """Return the device that an operation runs on, or None where its arguments leave that open.

        Raises:
            RuntimeError: if the arguments are on several devices, in PyTorch's own words.
        """
        outer, tensors = self._call, call.tensors
        if outer is not None and outer.target is not None and not call.op.reads:
            return outer.target
        if tensors or outer is None:
            return self.common(call)
        return next((device for device in map(self.of, outer.tensors) if device != CPU), CPU)

    def common(self, call: Call) -> torch.device | None:
        """Return the device that the tensors of an operation share, or None where that is left open.

        Raises:
            RuntimeError: if they are on several devices, in PyTorch's own words.
        """
        op, args = call.op, call.args
        everywhere = {self._found(t) for t in call.tensors}
        if everywhere == {CPU}:
            return CPU
        if op.name in ("copy_", "fill_", "set_", "_foreach_copy_"):
            args = args[:1]
        elif op.is_indexing:
            self._check_indices(args[0], args[1])
            args = (args[0], None, *args[2:])
        elif len(everywhere) == 1:
            return next(device if device is not _ANYWHERE else None for device in everywhere)
        elif _ANYWHERE not in everywhere:
            check_arguments(call, self.of)
        placed: list[tuple[torch.device, bool]] = []  # the device of each operand, and whether it may be elsewhere
        for tensor, is_written in _operands(call, args, op):
            device = self._found(tensor)
            if device is not _ANYWHERE:
                is_number = tensor.dim() == 0 and not is_written and not op.is_strict
                placed.append((device, is_number))
        if not placed:
            return None
        common = next((device for device, _ in placed if device != CPU), CPU)
        for device, is_number in placed:
            if device == common:
                continue
            if device == CPU and is_number:
                continue  # a CPU scalar goes with any device
            raise elementwise_error(common, device)
        return common

    def check_set(self, call: Call) -> None:
        """Raise where a tensor is to use memory of another device.

        Raises:
            RuntimeError: in PyTorch's own words.
        """
        tensor, source = call.args[:2]
        here = there = self.of(tensor)
        if isinstance(source, torch.Tensor):
            there = self.of(source)
        elif isinstance(source, torch.UntypedStorage):
            there = self.of_storage(source)
        # torch.load gives an empty tensor of the CPU the memory that it has read, wherever it belongs.
        if there != here and tensor.numel():
            raise RuntimeError(
                f'Attempted to set the storage of a tensor on device "{here}" to a storage on different device '
                f'"{there}".  This is no longer allowed; the devices must match.'
            )

    def check_generator(self, call: Call, device: torch.device | None) -> None:
        """Raise where an operation is to draw from the generator of another kind of device.

        Raises:
            RuntimeError: in PyTorch's own words.
        """
        given = call.kwargs.get("generator")
        if given is None or device is None:
            return
        # What torch hands down here is a plain one; what the program gave says where it is.
        there = (given if self._call is None else self._call.kwargs.get("generator", given)).device
        if there.type != device.type:
            raise RuntimeError(f"Expected a '{device.type}' device type for generator but found '{there.type}'")

    def settle(self, tensors: list[torch.Tensor], device: torch.device) -> None:
        """Give a device to those tensors whose place was left open."""
        for tensor in tensors:
            if self._found(tensor) is _ANYWHERE:
                self.put(tensor, device)

    def _check_indices(self, indexed: torch.Tensor, indices: Any) -> None:
        device = self.of(indexed)
        for index in tensors_in(indices):
            if self.of(index) not in (CPU, device):
                raise RuntimeError(
                    f"indices should be either on cpu or on the same device as the indexed tensor ({device})"
                )

    def _found(self, tensor: torch.Tensor) -> torch.device:
        found: torch.device = getattr(storage_of(tensor), self._key, _HERE).device
        return found


def _operands(call: Call, args: tuple[Any, ...], op: Operation) -> list[tuple[torch.Tensor, bool]]:
    """List the tensors that have to be on one device, those that are written first, as torch looks at them."""
    written, read = [], []
    for key, value in (*enumerate(args), *call.kwargs.items()):
        if key in op.on_host:
            continue
        if key in op.written:
            written += [(tensor, True) for tensor in tensors_in(value)]
        else:
            read += [(tensor, False) for tensor in tensors_in(value)]
    return written + read
