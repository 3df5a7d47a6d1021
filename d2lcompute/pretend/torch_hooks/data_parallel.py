"""Data parallel: what ``nn.DataParallel`` is made of: scatter, broadcast, gather, sum, and a loop in one thread."""

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.parallel import comm
from torch.nn.parallel._functions import Scatter

from ..hardware import Hardware
from .handler import answers

__all__ = ()

Device = torch.device | int
_data_parallel = importlib.import_module("torch.nn.parallel.data_parallel")  # the package has a function of that name


@answers(comm, "scatter")
def _scatter(
    _: Hardware,
    tensor: torch.Tensor,
    devices: Sequence[Device],
    chunk_sizes: Sequence[int] | None = None,
    dim: int = 0,
    *_streams: Any,
) -> tuple[torch.Tensor, ...]:
    chunks = tensor.chunk(len(devices), dim) if chunk_sizes is None else torch.split(tensor, list(chunk_sizes), dim)
    return tuple(chunk.to(device) for chunk, device in zip(chunks, devices, strict=False))


@answers(Scatter, "forward")
def _scatter_forward(
    _: Hardware, ctx: Any, devices: Sequence[int], chunk_sizes: Sequence[int] | None, dim: int, tensor: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Scatter without the streams that torch would copy with: each device has one queue."""
    ctx.dim, ctx.input_device = dim, tensor.get_device()
    chunks: tuple[torch.Tensor, ...] = comm.scatter(tensor, devices, chunk_sizes, dim)  # type: ignore[no-untyped-call]
    return chunks


@answers(comm, "broadcast_coalesced")
def _broadcast(_: Hardware, tensors: Sequence[torch.Tensor], devices: Sequence[Device]) -> list[list[torch.Tensor]]:
    return [[tensor.to(device) for tensor in tensors] for device in devices]


@answers(comm, "gather")
def _gather(
    machine: Hardware, tensors: Sequence[torch.Tensor], dim: int = 0, destination: Device | None = None
) -> torch.Tensor:
    target = machine.devices[machine.current_index] if destination is None else destination
    return torch.cat([tensor.to("cpu" if target == -1 else target) for tensor in tensors], dim)


@answers(comm, "reduce_add_coalesced")
def _add_up(
    machine: Hardware, inputs: Sequence[Sequence[torch.Tensor]], destination: Device | None = None, *_: Any
) -> tuple[torch.Tensor, ...]:
    target = machine.devices[machine.current_index] if destination is None else destination
    return tuple(torch.stack([tensor.to(target) for tensor in same]).sum(0) for same in zip(*inputs, strict=True))


@answers(_data_parallel, "parallel_apply")
@answers(torch.nn.parallel, "parallel_apply")
def _apply(
    _: Hardware,
    modules: Sequence[torch.nn.Module],
    inputs: Sequence[Any],
    kwargs: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Device] | None = None,  # noqa: ARG001  # each input is already where its module is
) -> list[Any]:
    """Run the replicas one after the other: only this thread is pretended to, and the devices overlap all the same."""
    given = kwargs or [{}] * len(modules)
    rows = zip(modules, inputs, given, strict=True)
    return [module(*(args if isinstance(args, tuple) else (args,)), **more) for module, args, more in rows]


@answers(comm, "broadcast")
def _broadcast_one(_: Hardware, tensor: torch.Tensor, devices: Sequence[Device]) -> tuple[torch.Tensor, ...]:
    return tuple(tensor.to(device) for device in devices)


@answers(comm, "reduce_add")
def _add_one(machine: Hardware, inputs: Sequence[torch.Tensor], destination: Device | None = None) -> torch.Tensor:
    return _add_up(machine, [[tensor] for tensor in inputs], destination)[0]
