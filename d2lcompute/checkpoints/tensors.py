"""Tensors: files in the safetensors format, which hold a model's tensors and nothing else."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch
from safetensors import safe_open

from .._translation import N_, tr
from .errors import CheckpointError
from .files import read_whole, replace
from .foreign import LOOK_BYTES, describe
from .memory import groups, view_of

__all__ = ["read_tensors", "write_tensors"]


def write_tensors(path: Path, state: Mapping[str, Any], *, durable: bool) -> None:
    """Write a model's tensors, each tied one once; what shares memory in any other way is written out in full."""
    for name, value in state.items():
        _check_writable(path, name, value)
    first = {view_of(state[name]): name for name in sorted(state, reverse=True) if state[name].numel()}
    twins = {name: first[view_of(value)] for name, value in state.items() if value.numel()}
    twins = {name: twin for name, twin in twins.items() if name != twin}
    kept = {name: value for name, value in state.items() if name not in twins}
    shared = {name for group in groups(kept) for name in group}

    def write(temporary: Path) -> None:
        temporary.unlink()  # safetensors moves a file of its own there; over another, ext4 would write it out at once
        values = {name: _values(value, own=name in shared) for name, value in kept.items()}
        safetensors.torch.save_file(values, temporary, metadata=twins or None)

    replace(path, write, durable=durable)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a file in the safetensors format; tied tensors, which it stores once, get all their names back."""

    def read(file: BinaryIO) -> dict[str, torch.Tensor]:
        start = file.read(LOOK_BYTES)
        told = describe(start)
        if told and start[8:9] != b"{":
            raise CheckpointError(tr("{path}: expected a safetensors file, found {what}", path=path, what=told))
        with safe_open(path, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # it is no dict
            twins = (opened.metadata() or {}).items()
        return {name: tensors[twin] for name, twin in twins if twin in tensors} | tensors

    return read_whole(path, read, N_("safetensors file"))


def _check_writable(path: Path, name: str, value: Any) -> None:
    """Refuse what the format cannot hold."""
    if not isinstance(value, torch.Tensor):
        raise CheckpointError(
            tr("{path}: expected tensors alone, found {name!r}; choose a name that ends in .pt", path=path, name=name)
        )
    if value.layout != torch.strided or value.is_quantized:
        kind = tr("quantized") if value.is_quantized else tr("of the layout {layout}", layout=value.layout)
        raise CheckpointError(
            tr(
                "{path}: expected dense tensors, found {name!r} {kind}; convert it, or choose a name that ends in .pt, "
                "which takes every kind of tensor",
                path=path,
                name=name,
                kind=kind,
            )
        )
    if not _is_known(value.dtype):
        raise CheckpointError(
            tr(
                "{path}: expected dtypes of the safetensors format, found {name!r} of {dtype}; convert it, or choose a "
                "name that ends in .pt, which takes every kind of tensor",
                path=path,
                name=name,
                dtype=value.dtype,
            )
        )


@functools.cache
def _is_known(dtype: torch.dtype) -> bool:
    """Return whether the installed safetensors writes a dtype."""
    try:
        safetensors.torch.save({"empty": torch.empty(0, dtype=dtype, device="cpu")})
    except Exception:
        return False
    return True


def _values(tensor: torch.Tensor, *, own: bool) -> torch.Tensor:
    """Return a tensor's values as they are written: in order, and in memory of their own where others share it."""
    values = tensor.detach().resolve_conj().resolve_neg().contiguous()  # marks are not written
    return values.clone() if own and values.data_ptr() == tensor.data_ptr() else values
