"""Parallel: what ``nn.DataParallel`` is made of: scatter, broadcast, gather, add up, and its loop in one thread."""

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parallel import comm
from torch.nn.parallel._functions import Scatter

if TYPE_CHECKING:
    from ..machine import Machine

__all__ = ["PARALLEL_ANSWERS"]

Device = torch.device | int
_data_parallel = importlib.import_module("torch.nn.parallel.data_parallel")  # the package has a function of that name


def _scatter(
    _: "Machine",
    tensor: torch.Tensor,
    devices: Sequence[Device],
    chunk_sizes: Sequence[int] | None = None,
    dim: int = 0,
    *_streams: Any,
) -> tuple[torch.Tensor, ...]:
    chunks = tensor.chunk(len(devices), dim) if chunk_sizes is None else torch.split(tensor, list(chunk_sizes), dim)
    return tuple(chunk.to(device) for chunk, device in zip(chunks, devices, strict=False))


def _scatter_forward(
    _: "Machine", ctx: Any, devices: Sequence[int], chunk_sizes: Sequence[int] | None, dim: int, tensor: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Scatter without the streams that torch would copy with: each device has one queue."""
    ctx.dim, ctx.input_device = dim, tensor.get_device()
    chunks: tuple[torch.Tensor, ...] = comm.scatter(tensor, devices, chunk_sizes, dim)  # type: ignore[no-untyped-call]
    return chunks


def _broadcast(_: "Machine", tensors: Sequence[torch.Tensor], devices: Sequence[Device]) -> list[list[torch.Tensor]]:
    return [[tensor.to(device) for tensor in tensors] for device in devices]


def _gather(
    machine: "Machine", tensors: Sequence[torch.Tensor], dim: int = 0, destination: Device | None = None
) -> torch.Tensor:
    target = machine.devices[machine.current_index] if destination is None else destination
    return torch.cat([tensor.to("cpu" if target == -1 else target) for tensor in tensors], dim)


def _add_up(
    machine: "Machine", inputs: Sequence[Sequence[torch.Tensor]], destination: Device | None = None, *_: Any
) -> tuple[torch.Tensor, ...]:
    target = machine.devices[machine.current_index] if destination is None else destination
    return tuple(torch.stack([tensor.to(target) for tensor in same]).sum(0) for same in zip(*inputs, strict=True))


def _apply(
    _: "Machine",
    modules: Sequence[torch.nn.Module],
    inputs: Sequence[Any],
    kwargs: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Device] | None = None,  # noqa: ARG001  # each input is already where its module is
) -> list[Any]:
    """Run the replicas one after the other: only this thread is pretended to, and the devices overlap all the same."""
    given = kwargs or [{}] * len(modules)
    rows = zip(modules, inputs, given, strict=True)
    return [module(*(args if isinstance(args, tuple) else (args,)), **more) for module, args, more in rows]


def _broadcast_one(_: "Machine", tensor: torch.Tensor, devices: Sequence[Device]) -> tuple[torch.Tensor, ...]:
    return tuple(tensor.to(device) for device in devices)


def _add_one(machine: "Machine", inputs: Sequence[torch.Tensor], destination: Device | None = None) -> torch.Tensor:
    return _add_up(machine, [[tensor] for tensor in inputs], destination)[0]


PARALLEL_ANSWERS: list[tuple[Any, str, Any]] = [
    (comm, "scatter", _scatter),
    (Scatter, "forward", _scatter_forward),
    (comm, "broadcast_coalesced", _broadcast),
    (comm, "broadcast", _broadcast_one),
    (comm, "gather", _gather),
    (comm, "reduce_add", _add_one),
    (comm, "reduce_add_coalesced", _add_up),
    (_data_parallel, "parallel_apply", _apply),
    (torch.nn.parallel, "parallel_apply", _apply),
]
