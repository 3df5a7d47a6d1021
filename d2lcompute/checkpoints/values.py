"""Values: what a file can hold so that it is loaded again without running code, and how to convert the rest."""

import dataclasses
import datetime
import enum
import io
import os
import types
from collections import OrderedDict, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .._translation import N_, tr
from .errors import CheckpointError, is_memory_short

__all__ = ["check_loadable"]

_KINDS = N_("tensors, numbers, strings, None, or lists, tuples, sets and dicts of them")


def check_loadable(path: Path, content: Mapping[str, Any]) -> None:
    """Refuse content with a value that torch could not save or load again, naming the keys that lead to it."""
    seen: dict[int, tuple[str, torch.dtype]] = {}
    for key, value in content.items():
        try:
            _check(path, key, value, seen)
        except RecursionError as error:
            raise CheckpointError(
                tr("{path}: {key}: is nested too deeply, or holds itself; make it flat", path=path, key=key)
            ) from error


def _check(path: Path, label: str, value: Any, seen: dict[int, tuple[str, torch.dtype]]) -> None:
    """Refuse a value, or the innermost one in it that cannot be loaded; ``seen`` has the memory of all before it."""
    if value is None or type(value) in (bool, float, str) or (type(value) is int and value.bit_length() < 64):
        return
    if type(value) in (torch.Tensor, nn.Parameter) and not vars(value):
        _check_memory(path, label, value, seen)
        return
    is_dict = type(value) in (dict, OrderedDict) and all(type(key) in (int, str) for key in value)
    if is_dict or type(value) in (list, tuple):
        for key, item in value.items() if is_dict else enumerate(value):
            _check(path, f"{label}[{key!r}]", item, seen)
        return
    try:
        torch.save(value, buffer := io.BytesIO())
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception as error:
        if is_memory_short(error):
            raise
        code = _conversion(value)
        raise CheckpointError(
            tr(
                "{path}: {label}: expected {kinds}, found a value of type {kind}, which torch.load refuses; {advice}. "
                "Nothing was written",
                path=path,
                label=label,
                kinds=tr(_KINDS),
                kind=type(value).__name__,
                advice=tr("save {code} for a value x", code=code) if code else tr("convert it"),
            )
        ) from error


def _check_memory(path: Path, label: str, tensor: torch.Tensor, seen: dict[int, tuple[str, torch.dtype]]) -> None:
    """Refuse a tensor that shows the memory of another one as a different dtype."""
    if tensor.layout != torch.strided:
        return
    storage = tensor.untyped_storage().data_ptr()
    twin, dtype = seen.setdefault(storage, (label, tensor.dtype)) if storage else (label, tensor.dtype)
    if dtype != tensor.dtype:
        raise CheckpointError(
            tr(
                "{path}: {label}: expected memory of its own, found that of {twin}, as {here} here and {there} there, "
                "which torch.save cannot write; clone one of the two. Nothing was written",
                path=path,
                label=label,
                twin=twin,
                here=tensor.dtype,
                there=dtype,
            )
        )


def _conversion(value: Any) -> str | None:
    """Return the expression that makes a value ``x`` one that can be saved, where there is a usual one."""
    match value:
        case torch.Tensor() if type(value) in (torch.Tensor, nn.Parameter):
            return tr("x.detach().clone(), which leaves the attributes of x behind,")
        case torch.Tensor():
            return "x.as_subclass(torch.Tensor)"
        case type() | types.FunctionType() | types.BuiltinFunctionType():
            return "x.__name__"
        case enum.Enum():
            return "x.name"
        case object(dtype=_, shape=()):  # a scalar of NumPy
            return "x.item()"
        case object(dtype=object(kind=kind), shape=_, tolist=_):  # an array of NumPy
            return "torch.from_numpy(x)" if kind in "biufc" else "x.tolist()"
        case object(bit_generator=_):  # a random generator of NumPy
            return "x.bit_generator.state"
        case object(state_dict=_):
            return "x.state_dict()"
        case torch.Generator():
            return "x.get_state()"
        case os.PathLike() | int():  # an int of more than 2,000 bits
            return "str(x)"
        case datetime.timedelta():
            return "x.total_seconds()"
        case object(isoformat=_):  # datetime, date, time
            return "x.isoformat()"
        case object(_asdict=_):  # a namedtuple
            return "x._asdict()"
        case Mapping() if all(type(key) in (int, str) for key in value):
            return "dict(x)"
        case Mapping():
            return "{str(key): item for key, item in x.items()}"
        case frozenset():
            return "set(x)"
        case range() | deque() | tuple() | list():
            return "list(x)"
        case object(as_integer_ratio=_) | object(hex=_, int=_):  # Decimal, Fraction; UUID
            return "str(x)"
        case object(to_dict=_):  # a table of pandas
            return "x.to_dict()"
        case object(pattern=_):  # a regular expression
            return "x.pattern"
    if dataclasses.is_dataclass(value):
        return "dataclasses.asdict(x)"
    return "vars(x)" if hasattr(value, "__dict__") else None
