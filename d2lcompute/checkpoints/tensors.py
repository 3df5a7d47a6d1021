"""Tensors: the file format safetensors, which holds a model's tensors and nothing else."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from .diagnosis import kind_of_file
from .errors import CheckpointError
from .files import read_file, replace_file

__all__ = ["check_writable", "read_tensors", "write_tensors"]

_DENSE = torch.contiguous_format
_SAFETENSORS_DTYPES = {
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint16, torch.uint32, torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.complex64, torch.float8_e4m3fn, torch.float8_e5m2),
}


def write_tensors(path: Path, state: Mapping[str, torch.Tensor], *, durable: bool) -> None:
    """Write a model's tensors in the safetensors format, each tied one once."""
    tensors: dict[str, torch.Tensor] = {}
    twins: dict[str, str] = {}  # a further name of a tensor → the one under which it is stored
    names: dict[Any, str] = {}
    for name, tensor in state.items():
        if tensor.is_conj() or tensor.is_neg():  # safetensors writes the memory as it is, and would change the values
            raise CheckpointError(
                f"{path}: expected values in memory, found {name!r} conjugated or negated by a mark on it; call "
                "its resolve_conj() or resolve_neg() first, or choose a name that ends in .pt"
            )
        if tensor.dtype not in _SAFETENSORS_DTYPES or tensor.layout != torch.strided:
            raise CheckpointError(
                f"{path}: expected a dtype and a layout that the safetensors format has, found {name!r} of "
                f"{tensor.dtype} in the layout {tensor.layout}; choose a name that ends in .pt"
            )
        place = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()) if tensor.numel() else name
        twin = names.setdefault(place, name)
        if twin == name:
            tensors[name] = tensor
        else:
            twins[name] = twin
    check_writable(path, state)
    shared = Counter(tensor.untyped_storage().data_ptr() for tensor in tensors.values())
    for name, tensor in tensors.items():  # a part of another tensor is stored by itself: each entry has its own values
        is_alone = shared[tensor.untyped_storage().data_ptr()] == 1
        tensors[name] = tensor.detach().contiguous() if is_alone else tensor.detach().clone(memory_format=_DENSE)

    def write(temporary: Path) -> None:
        temporary.unlink()  # safetensors moves a file of its own there; over another, ext4 would write it out at once
        save_file(tensors, str(temporary), metadata={"format": "pt", **twins})

    replace_file(path, write, durable=durable)


def check_writable(path: Path, state: Mapping[str, Any]) -> None:
    """Refuse a tensor whose elements lie on each other: no value could ever be loaded into it."""
    for name, tensor in state.items():
        dense = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
        if dense and torch._debug_has_internal_overlap(tensor) == 1:
            raise CheckpointError(
                f"{path}: expected an element of memory for each value, found {name!r} of shape {tuple(tensor.shape)}, "
                "several of whose elements are one, as expand() makes it: nothing could be loaded into it; keep its "
                "clone() in the model instead"
            )


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a file in the safetensors format; tied tensors, which it stores once, get all their names back."""

    def read(raw: BinaryIO) -> dict[str, torch.Tensor]:
        if kind := kind_of_file(raw.read(512)):
            raise CheckpointError(f"{path}: expected a safetensors file, found {kind}")
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            twins = (file.metadata() or {}).items()
        return {name: tensors[twin] for name, twin in twins if twin in tensors} | tensors

    return read_file(path, read, "safetensors file")
