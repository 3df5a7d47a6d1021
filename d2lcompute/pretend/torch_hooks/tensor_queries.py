"""Tensor queries: how a tensor is asked where it is, and for its values."""

from collections.abc import Sequence
from typing import Any

import torch

from ..hardware import Hardware
from ..host_reads import NUMBERS
from ..operations import Call
from ..placement import CPU
from .device_copies import to
from .handler import answers, handles, not_covered
from .python_bodies import run_seen

__all__ = ["is_cuda"]

Tensor: Any = torch.Tensor  # Any: type stubs do not know that properties have __get__


@handles(Tensor.device.__get__)
def _device(machine: Hardware, call: Call) -> torch.device:
    real: torch.device = Tensor.device.__get__(call.args[0])
    return machine.places.of(call.args[0]) if real == CPU else real


@handles(Tensor.is_cuda.__get__)
def is_cuda(machine: Hardware, call: Call) -> bool:
    """Return whether the first argument of a call is on a pretended device."""
    return _device(machine, call).type == "cuda"


@handles(Tensor.is_cpu.__get__)
def _is_cpu(machine: Hardware, call: Call) -> bool:
    return _device(machine, call).type == "cpu"


@handles(Tensor.get_device, torch.get_device)
def _get_device(machine: Hardware, call: Call) -> int:
    index = _device(machine, call).index
    return -1 if index is None else index


@answers(torch._C, "_group_tensors_by_device_and_dtype")
def _group(
    machine: Hardware, lists: Sequence[Sequence[torch.Tensor]], with_indices: bool = False
) -> dict[tuple[torch.device, torch.dtype], tuple[list[list[torch.Tensor]], list[int]]]:
    """Sort the rows of some lists by where the first list's tensors are, as optimizers and gradient clipping ask."""
    groups: dict[tuple[torch.device, torch.dtype], tuple[list[list[torch.Tensor]], list[int]]] = {}
    for i, first in enumerate(lists[0]):
        parts, indices = groups.setdefault((machine.places.of(first), first.dtype), ([[] for _ in lists], []))
        for part, tensors in zip(parts, lists, strict=True):
            part += tensors[i : i + 1]  # a list may be empty
        indices += [i] if with_indices else []
    return groups


@handles(Tensor.type)
def _type(machine: Hardware, call: Call) -> Any:
    wanted = call.args[1] if len(call.args) > 1 else call.kwargs.get("dtype")
    if wanted is None:
        name: str = call.run()
        return name.replace("torch.", "torch.cuda.", 1) if is_cuda(machine, call) else name
    name = wanted if isinstance(wanted, str) else torch.typename(wanted)
    package, _, kind = name.rpartition(".")
    if isinstance(wanted, torch.dtype) or package not in ("torch", "torch.cuda"):
        return call.run()
    if not hasattr(torch, kind):
        raise ValueError(f"invalid type: {name!r}")
    target: Any = CPU
    if package == "torch.cuda":
        target = machine.places.of(call.args[0]) if is_cuda(machine, call) else machine.accelerator()
    return to(machine, call.args[0], {"device": target, "dtype": getattr(torch, kind).dtype})


@handles(Tensor.is_pinned)
def _is_pinned(machine: Hardware, call: Call) -> bool:
    return machine.places.is_pinned(call.args[0])


@handles(torch.device)
def _make_device(machine: Hardware, call: Call) -> torch.device:
    if len(call.args) == 1 and isinstance(call.args[0], int) and machine.device_count:
        return torch.device("cuda", call.args[0])
    made: torch.device = call.run()
    return made


@handles(Tensor.numpy, Tensor.__array__)
def _numpy(machine: Hardware, call: Call) -> Any:
    tensor, device = call.args[0], machine.places.of(call.args[0])
    if device == CPU:
        return call.run()
    if call.kwargs.get("force"):
        return to(machine, tensor.detach(), {"device": CPU}).numpy()
    raise TypeError(
        f"can't convert {device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."
    )


@handles(Tensor.tolist)
def _tolist(machine: Hardware, call: Call) -> Any:
    machine.ledger.enter_read(machine.places.of(call.args[0]), call.args[0].nbytes)
    return call.run()


@handles(*NUMBERS)
def _number(machine: Hardware, call: Call) -> Any:
    before = machine.host_reads
    number = call.run()
    if machine.host_reads == before:  # torch.Tensor(list) asks for numbers while it has put the mode below aside
        machine.ledger.enter_read(machine.places.of(call.args[0]), call.args[0].element_size())
    return number


@handles(Tensor.__repr__)
def _repr(machine: Hardware, call: Call) -> Any:
    machine.ledger.enter_read(machine.places.of(call.args[0]), call.args[0].nbytes)
    with machine.ledger.closed():
        return run_seen(machine.calls, call)


def _export(name: str, attribute: Any) -> None:
    """Refuse a way to hand a tensor's memory to another library."""

    @handles(attribute)
    def export(machine: Hardware, call: Call) -> Any:
        if is_cuda(machine, call):
            raise not_covered(f"Tensor.{name}", "the memory is the CPU's; copy the tensor with .cpu() first")
        return call.run()


_export("__dlpack__", Tensor.__dlpack__)
_export("__dlpack_device__", Tensor.__dlpack_device__)
_export("__cuda_array_interface__", Tensor.__cuda_array_interface__.__get__)
