"""Data parallel: what ``nn.DataParallel`` is made of: scatter, broadcast, gather, and a loop in one thread."""

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.parallel import _functions

from ..hardware import Hardware
from .handler import answers

__all__ = ()

Tensors = Sequence[torch.Tensor]
_data_parallel = importlib.import_module("torch.nn.parallel.data_parallel")  # the package has a function of that name

# torch.nn.parallel.comm is written in Python, and torch.cuda.comm has its functions; below it are these.


@answers(torch._C, "_broadcast")
def _broadcast(machine: Hardware, tensor: torch.Tensor, devices: Sequence[int]) -> list[torch.Tensor]:
    return [tensor.to(machine.devices[device]) for device in devices]


@answers(torch._C, "_broadcast_coalesced")
def _broadcast_lists(
    machine: Hardware, tensors: Tensors, devices: Sequence[int], _buffer_size: int
) -> list[list[torch.Tensor]]:
    return [[tensor.to(machine.devices[device]) for tensor in tensors] for device in devices]


@answers(torch._C, "_broadcast_out")
def _broadcast_into(_: Hardware, tensor: torch.Tensor, out: Tensors) -> Tensors:
    for each in out:
        each.copy_(tensor)
    return out


@answers(torch._C, "_scatter")
def _scatter(
    machine: Hardware,
    tensor: torch.Tensor,
    devices: Sequence[int],
    chunk_sizes: Sequence[int] | None,
    dim: int,
    streams: Sequence[Any] | None,
) -> list[torch.Tensor]:
    chunks = tensor.chunk(len(devices), dim) if chunk_sizes is None else torch.split(tensor, list(chunk_sizes), dim)
    scattered = []
    for i, (chunk, device) in enumerate(zip(chunks, devices, strict=False)):
        with torch.cuda.stream(streams[i] if streams else None):
            scattered.append(chunk.to(machine.devices[device], non_blocking=True))
    return scattered


@answers(torch._C, "_scatter_out")
def _scatter_into(_: Hardware, tensor: torch.Tensor, out: Tensors, dim: int, _streams: Sequence[Any] | None) -> Tensors:
    for each, chunk in zip(out, torch.split(tensor, [each.size(dim) for each in out], dim), strict=True):
        each.copy_(chunk)
    return out


@answers(torch._C, "_gather")
def _gather(machine: Hardware, tensors: Tensors, dim: int, destination: int | None) -> torch.Tensor:
    index = machine.current_index if destination is None else destination
    target = torch.device("cpu") if index == -1 else machine.devices[index]
    return torch.cat([tensor.to(target) for tensor in tensors], dim)


@answers(torch._C, "_gather_out")
def _gather_into(_: Hardware, tensors: Tensors, out: torch.Tensor, dim: int) -> torch.Tensor:
    return out.copy_(torch.cat([tensor.to(out.device) for tensor in tensors], dim))


@answers(torch.cuda.nccl, "is_available")
def _has_nccl(*_: Any) -> bool:
    """Let sums across devices take the other way, from copy to copy."""
    return False


@answers(_functions, "_get_stream")
def _copying_stream(_: Hardware, device: torch.device) -> Any:
    """Return a stream to copy with, of this machine; torch keeps its own for good."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


@answers(_data_parallel, "parallel_apply")
@answers(torch.nn.parallel, "parallel_apply")
def _apply(
    _: Hardware,
    modules: Sequence[torch.nn.Module],
    inputs: Sequence[Any],
    kwargs: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[torch.device | int] | None = None,  # noqa: ARG001  # each input is already where its module is
) -> list[Any]:
    """Run the replicas one after the other: only this thread is pretended to, and the devices overlap all the same."""
    given = kwargs or [{}] * len(modules)
    rows = zip(modules, inputs, given, strict=True)
    return [module(*(args if isinstance(args, tuple) else (args,)), **more) for module, args, more in rows]
