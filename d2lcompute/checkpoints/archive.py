"""Archive: the zip file of torch.save, with checksums that are compared, and without anything that could run."""

import contextlib
import io
import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from .diagnosis import conversion_of, kind_of_file
from .errors import CheckpointError
from .files import read_file, replace_file

__all__ = ["read_archive", "write_archive"]


def write_archive(path: Path, content: dict[str, Any], *, durable: bool) -> None:
    """Write what :func:`read_archive` can read: as ``torch.save`` does, but with checksums, and no value it refuses."""
    try:
        for key, value in content.items():
            _check_loadable(path, key, value)
    except RecursionError as error:
        raise CheckpointError(f"{path}: {key}: is nested too deeply, or holds itself; make it flat") from error

    def write(temporary: Path) -> None:
        # A path would put the temporary name into the archive; "wb" would have ext4 write the file out at once.
        with open(temporary, "r+b") as file:
            torch.save(content, file)

    with contextlib.ExitStack() as after:
        after.callback(torch.serialization.set_crc32_options, torch.serialization.get_crc32_options())
        torch.serialization.set_crc32_options(True)  # also where somebody has switched them off
        replace_file(path, write, durable=durable)


def read_archive(path: Path, *, map_location: Any, verify: bool) -> Any:
    """Read what :func:`write_archive` wrote, and run nothing; tensors may be views of the file: copy what stays."""

    def read(file: BinaryIO) -> Any:
        _check_archive(path, file, verify=verify)
        # Windows would refuse to replace the file for as long as anything, such as an old traceback, keeps the map.
        return torch.load(path, map_location=map_location, weights_only=True, mmap=os.name != "nt")

    return read_file(path, read, "file of save_checkpoint")


def _check_loadable(path: Path, label: str, value: Any) -> None:
    """Refuse a value that ``torch.load`` would refuse, naming the innermost key that leads to it."""
    plain = value is None or type(value) in (bool, float, str) or (type(value) is int and value.bit_length() < 64)
    if plain or (type(value) in (torch.Tensor, nn.Parameter) and not vars(value)):
        return
    is_dict = type(value) in (dict, OrderedDict) and all(type(key) in (int, str) for key in value)
    if is_dict or type(value) in (list, tuple):
        for key, item in value.items() if is_dict else enumerate(value):
            _check_loadable(path, f"{label}[{key!r}]", item)
        return
    try:
        torch.save(value, buffer := io.BytesIO())
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path}: {label}: expected tensors, numbers, strings, None, or lists, tuples, sets and dicts of them, "
            f"found a value of type {type(value).__name__}, which torch.load refuses; {conversion_of(value)}. Nothing "
            "was written"
        ) from error


def _check_archive(path: Path, file: BinaryIO, *, verify: bool) -> None:
    """Refuse what is no whole archive, and a record that differs from its checksum, which torch does not look at."""
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        if zipfile.is_zipfile(file):
            raise
        file.seek(0)
        start = file.read(512)
        if kind := kind_of_file(start):
            raise CheckpointError(f"{path}: expected a file of save_checkpoint, found {kind}") from None
        found = f"is no checkpoint: expected a zip archive, found {start[:4]!r}" if start else "is empty"
        found = "is cut short: its end is missing" if start.startswith(b"PK\3\4") else found
        raise CheckpointError(f"{path}: {found}; check the path, or load an older one") from None
    with archive:
        records = archive.infolist()
        # torch would take compressed bytes for numbers, and choose among two records of one name in a way of its own
        whole = all(record.compress_type == 0 for record in records) and len({*archive.namelist()}) == len(records)
        if not whole or min((record.header_offset for record in records), default=0):
            raise CheckpointError(f"{path}: was packed anew or added to; take the file that save_checkpoint wrote")
        if verify and (damaged := archive.testzip()):
            raise CheckpointError(f"{path}: is damaged: {damaged} has another checksum; load an older one")
