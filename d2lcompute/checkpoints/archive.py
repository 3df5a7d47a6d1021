"""Archives: checkpoints as ``torch.save`` writes them, with checksums, and read back without trust."""

import contextlib
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

from .._translation import N_, tr
from .errors import CheckpointError, reason
from .files import read_whole, replace
from .foreign import LOOK_BYTES, describe
from .values import check_loadable

__all__ = ["read_archive", "write_archive"]

_FORMAT, _VERSION = "d2lcompute checkpoint", 1


def write_archive(path: Path, content: dict[str, Any], *, durable: bool) -> None:
    """Write what :func:`read_archive` can read: as ``torch.save`` does, but with checksums, and no value it refuses."""
    content = {"format": _FORMAT, "version": _VERSION} | content
    check_loadable(path, content)

    def write(temporary: Path) -> None:
        # A path would put the temporary name into the archive; "wb" would have ext4 write the file out at once.
        with open(temporary, "r+b") as file:
            torch.save(content, file)

    with contextlib.ExitStack() as after:
        after.callback(torch.serialization.set_crc32_options, torch.serialization.get_crc32_options())
        torch.serialization.set_crc32_options(True)  # also where somebody has switched them off
        replace(path, write, durable=durable)


def read_archive(path: Path, *, map_location: Any, verify: bool) -> dict[str, Any]:
    """Read what :func:`write_archive` wrote, and run nothing; tensors may be views of the file: copy what stays."""

    def read(file: BinaryIO) -> Any:
        _check_archive(path, file, verify=verify)
        # Windows would refuse to replace the file for as long as anything, such as an old traceback, keeps the map.
        try:
            return torch.load(path, map_location=map_location, weights_only=True, mmap=os.name != "nt")
        except RuntimeError as error:
            if "deserialize object on" not in str(error):
                raise
            raise CheckpointError(
                tr(
                    "{path}: map_location asks for a device that this machine lacks ({reason}); choose another",
                    path=path,
                    reason=reason(error),
                )
            ) from error

    saved = read_whole(path, read, N_("file of save_checkpoint"))
    if not isinstance(saved, dict) or saved.get("format") != _FORMAT:
        raise CheckpointError(
            tr(
                "{path}: expected a file of save_checkpoint, found {kind}; read it with torch.load(path, "
                "weights_only=True), and save it with save_checkpoint from then on",
                path=path,
                kind=_kind(saved),
            )
        )
    if saved.get("version") != _VERSION:
        raise CheckpointError(
            tr(
                "{path}: expected format {expected}, found {found!r}; update d2lcompute to load it",
                path=path,
                expected=_VERSION,
                found=saved.get("version"),
            )
        )
    kinds = {"step": int, "model": dict, "optimizer": dict | None, "extra": dict}
    if wrong := [key for key, kind in kinds.items() if not isinstance(saved.get(key), kind)]:
        raise CheckpointError(
            tr("{path}: expected {key!r}, found none that can be used; load an older file", path=path, key=wrong[0])
        )
    return saved


def _kind(value: Any) -> str:
    """Say what a file that is no checkpoint holds."""
    if isinstance(value, dict) and value and all(isinstance(item, torch.Tensor) for item in value.values()):
        return tr("a bare state_dict of {count} tensors (model.load_state_dict takes it)", count=len(value))
    if isinstance(value, dict):
        return tr("a dict with the keys {keys}", keys=list(value)[:5])
    return tr("a {kind}", kind=type(value).__name__)


def _check_archive(path: Path, file: BinaryIO, *, verify: bool) -> None:
    """Refuse what is no whole archive, and a record that differs from its checksum, which torch does not look at."""
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile:
        if zipfile.is_zipfile(file):
            raise
        file.seek(0)
        raise CheckpointError(tr("{path}: {trouble}", path=path, trouble=_instead(file.read(LOOK_BYTES)))) from None
    with archive:
        records = archive.infolist()
        # torch would take compressed bytes for numbers, and choose among two records of one name in a way of its own
        whole = all(record.compress_type == 0 for record in records) and len({*archive.namelist()}) == len(records)
        if not whole or min((record.header_offset for record in records), default=0):
            raise CheckpointError(
                tr("{path}: was packed anew or added to; take the file that save_checkpoint wrote", path=path)
            )
        if verify and (damaged := archive.testzip()):
            raise CheckpointError(
                tr("{path}: is damaged: {record} has another checksum; load an older one", path=path, record=damaged)
            )


def _instead(start: bytes) -> str:
    """Say what is wrong with a file that is no zip archive, from its first bytes."""
    if not start:
        return tr("is empty; check the path, or load an older one")
    if start.startswith(b"PK\3\4"):
        return tr("is cut short: its end is missing; check the path, or load an older one")
    if told := describe(start):
        return tr("is no checkpoint: it is {what}", what=told)
    return tr(
        "is no checkpoint: expected a zip archive, found {start!r}; check the path, or load an older one",
        start=start[:4],
    )
