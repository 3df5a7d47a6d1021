"""Reads that no mode sees from below: numbers that torch fetches for itself while it makes or fills a tensor."""

from collections.abc import Callable
from typing import Any

import torch

from .operations import Call, tensors_in

__all__ = ["FROM_DATA", "NUMBERS", "data_of", "elements_read", "index_bytes", "reads_of", "waits_for_result"]

Place = Callable[[torch.Tensor], torch.device]  # tells where a tensor is

FROM_DATA = {torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor.new_tensor, torch.Tensor.new}
NUMBERS = {torch.Tensor.__float__, torch.Tensor.__int__, torch.Tensor.__index__}  # what torch.Tensor(list) asks for


def data_of(call: Call) -> Any:
    """Return what a tensor is made from by one of ``FROM_DATA``."""
    is_method = call.func in (torch.Tensor.new_tensor, torch.Tensor.new)
    given = call.args[1:] if is_method else call.args
    return given[0] if given else call.kwargs.get("data", call.kwargs.get("obj"))


def elements_read(call: Call) -> list[torch.Tensor]:
    """Return the tensors that one of ``FROM_DATA`` reads, each by itself, because they are elements of a list.

    Example:
        >>> losses = list(torch.rand(3))
        >>> len(elements_read(Call(torch.tensor, ([losses[0], losses[1:]],), {})))
        3
        >>> elements_read(Call(torch.tensor, (losses[0],), {}))
        []
    """
    data = data_of(call)
    return [] if isinstance(data, torch.Tensor) else tensors_in(data)


def _scalars_read(call: Call, place: Place) -> list[torch.Tensor]:
    """Return the tensors whose numbers an operation needs on the host: the ends of a range, a value from elsewhere.

    Args:
        call: the operation.
        place: tells where a tensor is.
    """
    name, tensors = call.op.name, call.tensors
    if name == "fill_" and len(tensors) == 2 and place(tensors[0]) != place(tensors[1]):
        return [value for value in tensors[1:] if place(value).type != "cpu"]
    return list(tensors) if name in ("linspace", "logspace") else []


def reads_of(call: Call, place: Place) -> list[torch.Tensor]:
    """Return the tensors that the host waits for in an operation: for numbers that it needs, and for its result.

    Args:
        call: the operation.
        place: tells where a tensor is.
    """
    awaited = _scalars_read(call, place)
    if waits_for_result(call, place):
        awaited.append(call.tensors[0])  # it stands for the result: a number, or a size that values decide
    return awaited


def waits_for_result(call: Call, place: Place) -> bool:
    """Return whether the host waits for what an operation gives: a number, or a size that values decide.

    A mask on the CPU has been looked through there. Where one mask is to be filled with one number, nobody has to know
    how many places that are.
    """
    if not call.op.is_indexing:
        return call.op.reads
    indexed, indices, *values = call.args
    masks = [index for index in tensors_in(indices) if _is_mask(index) and place(index) == place(indexed)]
    adds = any(value is True for value in (*values, call.kwargs.get("accumulate")))
    is_number = bool(values) and values[0].numel() == 1 and place(values[0]).type == "cpu"
    fills = is_number and not adds and len(tensors_in(indices)) == 1
    return bool(masks) and not fills


def index_bytes(call: Call, place: Place) -> list[int]:
    """Return the bytes of each index that is on the CPU, and not what it indexes; of a mask, the places where it holds.

    They go over the bus before the operation.
    """
    if not call.op.is_indexing or place(call.args[0]).type == "cpu":
        return []
    at_home = [index for index in tensors_in(call.args[1]) if place(index).type == "cpu"]
    return [8 * i.dim() * int(i.count_nonzero()) if _is_mask(i) else i.nbytes for i in at_home]


def _is_mask(index: torch.Tensor) -> bool:
    return index.dtype in (torch.bool, torch.uint8)
