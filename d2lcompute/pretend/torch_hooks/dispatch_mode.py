"""Dispatch mode: sees each operation that is computed, forward and backward, places its results and enters its cost."""

from dataclasses import replace
from typing import Any

import torch
from torch._ops import OpOverload

from ..hardware import Hardware
from ..operations import Call, storage_of, tensors_in
from ..placement import CPU
from .eager import EagerDispatchMode

__all__ = ["PretendDispatchMode"]


class PretendDispatchMode(EagerDispatchMode):  # type: ignore[no-untyped-call]  # torch's __init_subclass__
    """Sees each operation that is computed, in forward and backward: where results land, and what they cost.

    Args:
        machine: the machine that it is computed on.
    """

    def __init__(self, machine: Hardware) -> None:
        super().__init__()
        self.machine = machine

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute on the CPU; the result belongs to the device that its operands are on."""
        call = Call(func, args, kwargs or {})
        if not self.machine.is_current:
            return call.run()
        with torch._C.DisableTorchFunction():
            if not all(map(self.machine.places.is_real, call.tensors)):
                return call.run()
            return (_run_lists if call.op.is_foreach else _run)(self.machine, call)


def _run(machine: Hardware, call: Call) -> Any:
    places, inputs, op = machine.places, call.tensors, call.op
    device = places.device_for(call)
    if "generator" in call.kwargs:
        places.check_generator(call, device)
    if op.name == "set_" and len(call.args) > 1:
        places.check_set(call)
    before = {id(s): s for s in map(storage_of, inputs) if s is not None}  # kept, to tell a result's memory from theirs
    out = call.run()
    for i, result in enumerate(tensors_in(out)):
        if id(storage_of(result)) not in before and op.name != "set_":
            places.put(result, CPU if i in op.results_on_host else device)
    if op.may_resize:
        for tensor in inputs:
            places.put(tensor, places.of(tensor))
    if device is not None:
        if not places.is_named:
            places.settle(inputs, device)
        machine.ledger.enter_operation(call, device, out)
    return out


def _run_lists(machine: Hardware, call: Call) -> Any:
    """Run an operation on lists of tensors: on a real machine each device's share is an operation of its own."""
    length = next(len(arg) for arg in call.args if isinstance(arg, list | tuple))
    shares: dict[torch.device, list[torch.Tensor]] = {}
    devices = []
    for i in range(length):
        row = tuple(a[i] if isinstance(a, list | tuple) and len(a) == length else a for a in call.args)
        devices.append(machine.places.common(replace(call, args=row)) or CPU)
        shares.setdefault(devices[-1], []).extend(tensors_in(row))
    out = call.run()
    for device, result in zip(devices, out or (), strict=False):
        machine.places.put(result, device)
        shares[device].append(result)
    for device, tensors in shares.items():
        machine.places.settle(tensors, device)
        machine.ledger.enter_share(call.op, device, tensors)
    return out
