"""Spellings: the torch functions and tensor methods that name a device or ask for one."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._device import DeviceContext, _device_constructors

from ..host_reads import data_of, elements_read
from ..mixing import check_recurrent
from ..operations import Call, storage_of
from ..placement import CPU
from .autocast import cast_arguments
from .device_copies import move, parse_to, to
from .python_bodies import run_seen
from .tensor_queries import QUESTIONS, Spelling, Tensor, is_cuda

if TYPE_CHECKING:
    from ..machine import Machine

__all__ = ["SPELLINGS", "named_device"]


def named_device(machine: "Machine", call: Call, *, by_default: torch.device | None = None) -> torch.device | None:
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


# Moves.


def _to(machine: "Machine", call: Call) -> Any:
    return to(machine, call.args[0], parse_to(call.args[1:], call.kwargs))


def _cuda(machine: "Machine", call: Call) -> Any:
    given = dict(zip(("device", "non_blocking", "memory_format"), call.args[1:], strict=False)) | call.kwargs
    device = given.pop("device", None)
    return to(machine, call.args[0], {"device": "cuda" if device is None else device} | given)


def _cpu(machine: "Machine", call: Call) -> Any:
    return to(machine, call.args[0], {"device": CPU} | call.kwargs)


def _copy(machine: "Machine", call: Call) -> Any:
    target, source, *others = call.args
    if source.requires_grad and torch.is_grad_enabled():
        source = move(machine, source, machine.places.of(target))
    return call.func(target, source, *others, **call.kwargs)


def _fill(machine: "Machine", call: Call) -> Any:
    if len(call.args) > 1 and isinstance(call.args[1], torch.Tensor) and call.args[1].requires_grad:
        return _copy(machine, call)
    with machine.places.calling(call):
        return call.run()


def _setitem(machine: "Machine", call: Call) -> None:
    target, index, value = call.args
    parts = index if isinstance(index, tuple) else (index,)
    is_advanced = any(isinstance(part, torch.Tensor | list) for part in parts)
    if isinstance(value, torch.Tensor) and value.requires_grad and (value.dim() == 0 or not is_advanced):
        value = move(machine, value, machine.places.of(target))
    call.func(target, index, value)


def _pin_memory(machine: "Machine", call: Call) -> Any:
    tensor = call.args[0]
    if is_cuda(machine, call):
        kind = tensor.type().replace("torch.", "torch.cuda.", 1)
        raise RuntimeError(f"cannot pin '{kind}' only dense CPU tensors can be pinned")
    if machine.places.is_pinned(tensor):
        return tensor
    pinned = tensor.clone()
    machine.places.pin(pinned)
    return pinned


# Lengths.


def _ctc_loss(machine: "Machine", call: Call) -> Any:
    # A mode makes torch compute with the lengths as tensors; without one it reads them, and so must we.
    lengths = [a.tolist() if isinstance(a, torch.Tensor) else a for a in call.args[2:4]]
    call = replace(call, args=(*call.args[:2], *lengths, *call.args[4:]))
    with machine.places.calling(call):
        return call.run()


def _pad_packed(machine: "Machine", call: Call) -> Any:
    with machine.places.calling(call):
        padded, lengths = call.run()
    machine.places.put(lengths, CPU)
    return padded, lengths


# Gradients and copies.


def _get_grad(machine: "Machine", call: Call) -> Any:
    grad = call.run()
    if grad is not None:
        machine.places.settle([grad], machine.places.of(call.args[0]))
    return grad


def _set_grad(machine: "Machine", call: Call) -> None:
    tensor, grad = call.args
    if isinstance(grad, torch.Tensor):
        wanted, found = machine.places.of(tensor), machine.places.of(grad)
        if found.type != wanted.type:
            raise RuntimeError(
                f"attempting to assign a gradient with device type '{found.type}' to a tensor with device type "
                f"'{wanted.type}'. Please ensure that the gradient and the tensor are on the same device"
            )
        if found != wanted:
            raise RuntimeError("assigned grad has data located on a different device")
    call.run()


def _recurrent(machine: "Machine", call: Call) -> Any:
    check_recurrent(call, machine.places.of)
    if torch.is_autocast_enabled("cuda"):
        call = cast_arguments(call, machine.places, machine.casts)
    with machine.places.calling(call):
        return call.run()


def _deepcopy(machine: "Machine", call: Call) -> Any:
    tensor, memo = call.args
    storage = storage_of(tensor)
    if id(tensor) not in memo and not tensor.is_meta and storage is not None:
        copies = memo.setdefault("torch", {})  # where torch looks, so that tensors that share memory go on sharing it
        if storage._cdata not in copies:
            whole = torch.empty(0, dtype=torch.uint8).set_(storage)
            copies[storage._cdata] = whole.clone().untyped_storage()
    return run_seen(machine.calls, call)


# Tensors made from data.


def _from_data(machine: "Machine", call: Call) -> Any:
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


def _made(machine: "Machine", call: Call) -> torch.Tensor:
    with machine.places.calling(call):
        made: torch.Tensor = call.run()
    for element in elements_read(call):
        machine.ledger.enter_read(machine.places.of(element), element.element_size())
    return made


def _new(machine: "Machine", call: Call) -> Any:
    like, *given = call.args
    if given and isinstance(given[0], list | tuple) and not isinstance(given[0], torch.Size):
        return _from_data(machine, Call(Tensor.new_tensor, (like, given[0]), {"dtype": like.dtype} | call.kwargs))
    with machine.places.calling(call):
        return call.run()


SPELLINGS: dict[Callable[..., Any], Spelling] = QUESTIONS | {
    torch._C._nn._parse_to: lambda _, call: call.run(),  # Module.to asks it which device its arguments name
    Tensor.to: _to,
    Tensor.type_as: _to,
    Tensor.cuda: _cuda,
    Tensor.cpu: _cpu,
    Tensor.copy_: _copy,
    Tensor.fill_: _fill,
    Tensor.__setitem__: _setitem,
    torch.lstm: _recurrent,
    torch.gru: _recurrent,
    torch.rnn_tanh: _recurrent,
    torch.rnn_relu: _recurrent,
    Tensor.pin_memory: _pin_memory,
    Tensor.grad.__get__: _get_grad,
    Tensor.grad.__set__: _set_grad,
    Tensor.__deepcopy__: _deepcopy,
    torch.ctc_loss: _ctc_loss,
    torch._pad_packed_sequence: _pad_packed,
    torch.tensor: _from_data,
    torch.as_tensor: _from_data,
    torch.asarray: _from_data,
    Tensor.new_tensor: _from_data,
    Tensor.new: _new,
}
