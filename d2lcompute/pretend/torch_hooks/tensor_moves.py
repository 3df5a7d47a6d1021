"""Tensor moves: copies between devices in each spelling, what is written into tensors, gradients and deep copies."""

from dataclasses import replace
from typing import Any

import torch

from ..hardware import Hardware
from ..mixing import check_recurrent
from ..operations import Call, storage_of
from ..placement import CPU
from .autocast import cast_arguments
from .device_copies import move, parse_to, to
from .handler import handles
from .python_bodies import run_seen
from .tensor_queries import is_cuda

__all__ = ()

Tensor: Any = torch.Tensor  # Any: type stubs do not know that properties have __get__


@handles(Tensor.to, Tensor.type_as)
def _to(machine: Hardware, call: Call) -> Any:
    return to(machine, call.args[0], parse_to(call.args[1:], call.kwargs))


@handles(Tensor.cuda)
def _cuda(machine: Hardware, call: Call) -> Any:
    given = dict(zip(("device", "non_blocking", "memory_format"), call.args[1:], strict=False)) | call.kwargs
    device = given.pop("device", None)
    return to(machine, call.args[0], {"device": "cuda" if device is None else device} | given)


@handles(Tensor.cpu)
def _cpu(machine: Hardware, call: Call) -> Any:
    return to(machine, call.args[0], {"device": CPU} | call.kwargs)


@handles(Tensor.copy_)
def _copy(machine: Hardware, call: Call) -> Any:
    target, source, *others = call.args
    if source.requires_grad and torch.is_grad_enabled():
        source = move(machine, source, machine.places.of(target))
    return call.func(target, source, *others, **call.kwargs)


@handles(Tensor.fill_)
def _fill(machine: Hardware, call: Call) -> Any:
    if len(call.args) > 1 and isinstance(call.args[1], torch.Tensor) and call.args[1].requires_grad:
        return _copy(machine, call)
    with machine.places.calling(call):
        return call.run()


@handles(Tensor.__setitem__)
def _setitem(machine: Hardware, call: Call) -> None:
    target, index, value = call.args
    parts = index if isinstance(index, tuple) else (index,)
    is_advanced = any(isinstance(part, torch.Tensor | list) for part in parts)
    if isinstance(value, torch.Tensor) and value.requires_grad and (value.dim() == 0 or not is_advanced):
        value = move(machine, value, machine.places.of(target))
    call.func(target, index, value)


@handles(Tensor.pin_memory)
def _pin_memory(machine: Hardware, call: Call) -> Any:
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


@handles(torch.ctc_loss)
def _ctc_loss(machine: Hardware, call: Call) -> Any:
    # A mode makes torch compute with the lengths as tensors; without one it reads them, and so must we.
    lengths = [a.tolist() if isinstance(a, torch.Tensor) else a for a in call.args[2:4]]
    call = replace(call, args=(*call.args[:2], *lengths, *call.args[4:]))
    with machine.places.calling(call):
        return call.run()


@handles(torch._pad_packed_sequence)
def _pad_packed(machine: Hardware, call: Call) -> Any:
    with machine.places.calling(call):
        padded, lengths = call.run()
    machine.places.put(lengths, CPU)
    return padded, lengths


# Gradients and copies.


@handles(Tensor.grad.__get__)
def _get_grad(machine: Hardware, call: Call) -> Any:
    grad = call.run()
    if grad is not None:
        machine.places.settle([grad], machine.places.of(call.args[0]))
    return grad


@handles(Tensor.grad.__set__)
def _set_grad(machine: Hardware, call: Call) -> None:
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


@handles(torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu)
def _recurrent(machine: Hardware, call: Call) -> Any:
    check_recurrent(call, machine.places.of)
    if torch.is_autocast_enabled("cuda"):
        call = cast_arguments(call, machine.places, machine.casts)
    with machine.places.calling(call):
        return call.run()


@handles(Tensor.__deepcopy__)
def _deepcopy(machine: Hardware, call: Call) -> Any:
    tensor, memo = call.args
    storage = storage_of(tensor)
    if id(tensor) not in memo and not tensor.is_meta and storage is not None:
        copies = memo.setdefault("torch", {})  # where torch looks, so that tensors that share memory go on sharing it
        if storage._cdata not in copies:
            whole = torch.empty(0, dtype=torch.uint8).set_(storage)
            copies[storage._cdata] = whole.clone().untyped_storage()
    return run_seen(machine.calls, call)


@handles(torch._C._nn._parse_to)
def _parse_to(_: Hardware, call: Call) -> Any:  # Module.to asks it which device its arguments name
    return call.run()
