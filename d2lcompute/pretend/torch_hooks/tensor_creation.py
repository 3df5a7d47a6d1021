"""Tensor creation: where a new tensor goes, and what the host waits for when one is made from others' values."""

from typing import Any

import torch
from torch.utils._device import DeviceContext, _device_constructors

from ..hardware import Hardware
from ..host_reads import data_of, elements_read
from ..operations import Call
from ..placement import CPU
from .device_copies import move
from .handler import handles

__all__ = ["named_device"]

Tensor: Any = torch.Tensor  # Any: type stubs do not know that properties have __get__


def named_device(machine: Hardware, call: Call, *, by_default: torch.device | None = None) -> torch.device | None:
    """Return the device that a call names, or that ``with torch.device(...)`` names for it.

    Args:
        machine: the machine that has the device.
        call: the call.
        by_default: where a tensor is made that is like no other, if nobody names a device.

    Returns:
        The device; None where it is an operand's, or ``meta``.
    """
    named = call.kwargs.get("device")
    if named is None and call.func in _device_constructors():
        stack = torch.overrides._get_current_function_mode_stack()  # type: ignore[no-untyped-call]
        named = next((mode.device for mode in stack if isinstance(mode, DeviceContext)), by_default)
    return None if named is None else machine.resolve(named)


@handles(torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor)
def _from_data(machine: Hardware, call: Call) -> Any:
    target = named_device(machine, call)
    if call.func == Tensor.new_tensor and target is None:
        target = machine.places.of(call.args[0])
    if target is None:
        return _made(machine, call)
    given = {name: value for name, value in call.kwargs.items() if name not in ("device", "pin_memory")}
    if call.func in (torch.as_tensor, torch.asarray) and isinstance(data := data_of(call), torch.Tensor):
        given = {name: value for name, value in given.items() if name not in ("data", "obj")}
        return call.func(move(machine, data, target), *call.args[1:], **given)
    wants_grad = given.pop("requires_grad", False)
    made = move(machine, _made(machine, Call(call.func, call.args, given | {"device": CPU})), target)
    return made.requires_grad_() if wants_grad else made


def _made(machine: Hardware, call: Call) -> torch.Tensor:
    with machine.places.calling(call):
        made: torch.Tensor = call.run()
    for element in elements_read(call):
        machine.ledger.enter_read(machine.places.of(element), element.element_size())
    return made


@handles(Tensor.new)
def _new(machine: Hardware, call: Call) -> Any:
    like, *given = call.args
    if given and isinstance(given[0], list | tuple) and not isinstance(given[0], torch.Size):
        return _from_data(machine, Call(Tensor.new_tensor, (like, given[0]), {"dtype": like.dtype} | call.kwargs))
    with machine.places.calling(call):
        return call.run()
