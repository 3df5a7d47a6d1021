"""Files: how a checkpoint gets onto the disk whole, and how it is read back without trust."""

import contextlib
import io
import os
import pickle
import re
import secrets
import stat
import textwrap
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from safetensors.torch import save_model
from torch import nn

from .errors import CheckpointError

__all__ = ["read_archive", "read_tensors", "write_archive", "write_tensors"]


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
        _replace(path, write, durable=durable)


def write_tensors(path: Path, model: nn.Module, *, durable: bool) -> None:
    """Write a model's tensors in the safetensors format, each tied one once."""
    for name, tensor in model.state_dict().items():
        if tensor.is_conj() or tensor.is_neg():  # safetensors writes the memory as it is, and would change the values
            raise CheckpointError(
                f"{path}: expected values in memory, found {name!r} conjugated or negated by a mark on it; call "
                "its resolve_conj() or resolve_neg() first, or choose a name that ends in .pt"
            )

    def write(temporary: Path) -> None:
        temporary.unlink()  # safetensors moves a file of its own there; over another, ext4 would write it out at once
        save_model(model, str(temporary))

    _replace(path, write, durable=durable)


def read_archive(path: Path, *, map_location: Any, verify: bool) -> Any:
    """Read what :func:`write_archive` wrote, and run nothing; tensors may be views of the file: copy what stays."""

    def read(file: BinaryIO) -> Any:
        _check_archive(path, file, verify=verify)
        # Windows would refuse to replace the file for as long as anything, such as an old traceback, keeps the map.
        return torch.load(path, map_location=map_location, weights_only=True, mmap=os.name != "nt")

    return _read(path, read, "file of save_checkpoint")


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read a file in the safetensors format; tied tensors, which it stores once, get all their names back."""

    def read(_: BinaryIO) -> dict[str, torch.Tensor]:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            twins = (file.metadata() or {}).items()
        return {name: tensors[twin] for name, twin in twins if twin in tensors} | tensors

    return _read(path, read, "safetensors file")


def _read(path: Path, read: Callable[[BinaryIO], Any], kind: str) -> Any:
    """Call ``read`` and make any error a :class:`CheckpointError`; again, if the file was replaced in the meantime.

    To map a file, torch and safetensors open it a second time, by its name: by then it may be another one.
    """
    found = _check_path(path)
    if not (found and stat.S_ISREG(found.st_mode)):
        raise CheckpointError(f"{path}: there is no such file in the folder; check its name")
    try:
        for _ in range(100):
            with open(path, "rb") as file:  # as long as it is open, its number is given to no other file
                try:
                    result = read(file)
                except Exception:
                    if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                        raise
                else:
                    if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                        return result
        raise CheckpointError(f"{path}: is replaced again and again while it is read; load a copy of it")
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        raise CheckpointError(
            f"{path}: expected tensors and plain values, found {code[1] if code else 'what cannot be decoded'}, and "
            "loading that can run any code. Nothing was run. If you saved a whole model yourself, save it again with "
            "save_checkpoint; otherwise do not load it"
        ) from error
    except Exception as error:
        raise CheckpointError(
            f"{path}: expected a {kind}, found one that is damaged or something else ({_reason(error)}); check the "
            "path, or load an older one"
        ) from error


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
            f"found a value of type {type(value).__name__}, which torch.load refuses; convert it. Nothing was written"
        ) from error


def _replace(path: Path, write: Callable[[Path], None], *, durable: bool) -> None:
    """Let ``write`` fill a temporary file, which takes the place of ``path``, or vanishes if anything fails."""
    old = _check_path(path)
    if old and not (stat.S_ISREG(old.st_mode) and os.access(path, os.W_OK)):
        raise CheckpointError(f"{path}: is protected from writing, or no ordinary file; choose another path")
    # Behind a link it is the file that changes, not the link.
    target = Path(os.path.realpath(path)) if path.is_symlink() else path.absolute()
    temporary = target.with_name(f".{target.name[:50]}.{secrets.token_hex(8)}.tmp")
    try:
        temporary.touch(exist_ok=False)
        mode = stat.S_IMODE((old or temporary.stat()).st_mode)  # now: safetensors makes it its own
        write(temporary)
        if durable:
            _flush(temporary, os.O_RDWR)
        temporary.chmod(mode)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if not isinstance(error, Exception):
            raise
        raise CheckpointError(
            f"{path}: could not be written ({_reason(error)}); what was there before is unchanged. Check the space "
            "left, or choose another path; a name that ends in .pt takes every kind of tensor"
        ) from error
    if durable:
        with contextlib.suppress(OSError):  # Windows and some network drives cannot flush a folder
            _flush(target.parent, os.O_RDONLY)


def _flush(path: Path, flags: int) -> None:
    """Wait until a file or a folder is on the disk, not only in the system's memory."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_path(path: Path) -> os.stat_result | None:
    """Return what the system says of a file, if it is there.

    Refuse a folder, a file in a folder that is not there, and what the system or torch takes for no path at all.
    """
    try:
        str(path).encode()
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        found = None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path!r} is no path that can be used here ({_reason(error)}); choose another"
        ) from error
    if found and stat.S_ISDIR(found.st_mode):
        raise CheckpointError(f"{path}: is a folder; give the path of a file in it, such as {path / 'checkpoint.pt'}")
    if not found and not path.parent.is_dir():
        make = f"Path({str(path.parent)!r}).mkdir(parents=True)"
        raise CheckpointError(f"{path}: there is no folder {path.parent}; check the path, or create it: {make}")
    return found


def _check_archive(path: Path, file: BinaryIO, *, verify: bool) -> None:
    """Refuse what is no whole archive, and a record that differs from its checksum, which torch does not look at."""
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        if zipfile.is_zipfile(file):
            raise
        file.seek(0)
        start = file.read(4)
        found = f"is no checkpoint: expected a zip archive, found {start!r}" if start else "is empty"
        found = "is cut short: its end is missing" if start == b"PK\3\4" else found
        raise CheckpointError(f"{path}: {found}; check the path, or load an older one") from None
    with archive:
        records = archive.infolist()
        # torch would take compressed bytes for numbers, and choose among two records of one name in a way of its own
        whole = all(record.compress_type == 0 for record in records) and len({*archive.namelist()}) == len(records)
        if not whole or min((record.header_offset for record in records), default=0):
            raise CheckpointError(f"{path}: was packed anew or added to; take the file that save_checkpoint wrote")
        if verify and (damaged := archive.testzip()):
            raise CheckpointError(f"{path}: is damaged: {damaged} has another checksum; load an older one")


def _reason(error: BaseException) -> str:
    """Return the beginning of an error, or of the system's error behind it."""
    cause: BaseException | None = error
    while cause and not isinstance(cause, OSError):
        cause = cause.__context__
    return textwrap.shorten(f"{type(cause or error).__name__}: {cause or error}", 120, placeholder=" ...")
