"""Memory: which tensors of a state share memory, and whether saved values can stand in it side by side."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

__all__ = ["conflict", "groups", "view_of"]


def groups(state: Mapping[str, Any]) -> list[list[str]]:
    """Return the names of tensors whose memory overlaps, from the first to the last byte, group by group."""
    spans = sorted(
        (*_span(value), place, name) for place, (name, value) in enumerate(state.items()) if _has_memory(value)
    )
    found: list[list[tuple[int, str]]] = []
    current, end = "", 0
    for device, start, stop, place, name in spans:
        if device == current and start < end:
            found[-1].append((place, name))
            end = max(end, stop)
        else:
            found.append([(place, name)])
            current, end = device, stop
    return [[name for _, name in sorted(group)] for group in found if len(group) > 1]


def view_of(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Return what two tensors have in common that are one view of one memory."""
    marks = tensor.is_conj(), tensor.is_neg()
    return tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride(), *marks


def conflict(
    names: Iterable[str], current: Mapping[str, torch.Tensor], saved: Mapping[str, torch.Tensor]
) -> tuple[str, str] | None:
    """Return two names of one group whose saved values cannot both be in the memory that they share, if there are."""
    # What is one view in the model and in the file, as tied weights are, needs no comparison.
    different = list({(view_of(current[name]), view_of(saved[name])): name for name in reversed(list(names))}.values())
    different.reverse()
    if len(different) < 2:
        return None
    spans = [_span(current[name]) for name in different]
    first = min(start for _, start, _ in spans) // 16 * 16  # 16 bytes: the widest dtype begins at a multiple of them
    size = max(stop for _, _, stop in spans) - first
    scratch = torch.empty(size, dtype=torch.uint8, device="cpu").untyped_storage()
    windows = {name: _window(scratch, current[name], first) for name in different}
    for name in different:
        windows[name].copy_(saved[name].detach())
    lost = next((name for name in different if _bits(windows[name]) != _bits(saved[name])), None)
    if lost is None:
        return None
    windows[lost].copy_(saved[lost].detach())
    *between, last = different[different.index(lost) + 1 :]
    for name in between:
        windows[name].copy_(saved[name].detach())
        if _bits(windows[lost]) != _bits(saved[lost]):
            return lost, name
    return lost, last


def _has_memory(value: Any) -> bool:
    """Return whether a value is a tensor of a usual class whose elements have addresses."""
    return type(value) in (torch.Tensor, nn.Parameter) and value.layout == torch.strided and value.data_ptr() != 0


def _span(tensor: torch.Tensor) -> tuple[str, int, int]:
    """Return a tensor's device, the address of its first byte, and the one after its last."""
    start = tensor.data_ptr()
    steps = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return str(tensor.device), start, start + (steps + 1) * tensor.element_size()


def _window(scratch: torch.UntypedStorage, tensor: torch.Tensor, first: int) -> torch.Tensor:
    """Return what lies in ``scratch`` as ``tensor`` lies in the memory that begins at ``first``."""
    place = (tensor.data_ptr() - first) // tensor.element_size()
    window = torch.empty(0, dtype=tensor.dtype, device="cpu").set_(scratch, place, tensor.shape, tensor.stride())
    window = window.conj() if tensor.is_conj() else window
    return torch._neg_view(window) if tensor.is_neg() else window


def _bits(tensor: torch.Tensor) -> bytes:
    """Return a tensor's values as bytes, so that NaN equals NaN."""
    values = tensor.detach().resolve_conj().resolve_neg().cpu().clone(memory_format=torch.contiguous_format).flatten()
    return values.view(torch.uint8).numpy().tobytes()
