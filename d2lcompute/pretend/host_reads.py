"""Reads that no mode sees from below: numbers that torch fetches for itself while it makes or fills a tensor."""

from collections.abc import Callable
from typing import Any

import torch

from .operations import Call, has_mask, tensors_in

__all__ = ["FROM_DATA", "NUMBERS", "data_of", "elements_read", "reads_of", "waits_for_result"]

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


def _scalars_read(call: Call, place: Callable[[torch.Tensor], torch.device]) -> list[torch.Tensor]:
    """Return the tensors whose numbers an operation needs on the host: the ends of a range, a value from elsewhere.

    Args:
        call: the operation.
        place: tells where a tensor is.
    """
    name, tensors = call.op.name, call.tensors
    if name == "fill_" and len(tensors) == 2 and place(tensors[0]) != place(tensors[1]):
        return [value for value in tensors[1:] if place(value).type != "cpu"]
    return list(tensors) if name in ("linspace", "logspace") else []


def reads_of(call: Call, place: Callable[[torch.Tensor], torch.device]) -> list[torch.Tensor]:
    """Return the tensors that the host waits for in an operation: for numbers that it needs, and for its result.

    Args:
        call: the operation.
        place: tells where a tensor is.
    """
    awaited = _scalars_read(call, place)
    if waits_for_result(call):
        awaited.append(call.tensors[0])  # it stands for the result: a number, or a size that values decide
    return awaited


def waits_for_result(call: Call) -> bool:
    """Return whether the host waits for what an operation gives."""
    op = call.op
    return op.reads or (op.is_indexing and has_mask(call.args[1]))
