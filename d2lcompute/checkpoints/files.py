"""Files: how a checkpoint gets onto the disk whole, and how it is read while others may replace it."""

import contextlib
import os
import pickle
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from .._translation import tr
from .errors import CheckpointError, is_memory_short, reason

__all__ = ["read_whole", "replace"]

_Result = TypeVar("_Result")


def read_whole(path: Path, read: Callable[[BinaryIO], _Result], kind: str) -> _Result:
    """Call ``read`` with the open file, and make any error a :class:`CheckpointError` that says what to do.

    Args:
        path: the file.
        read: returns what is wanted of the open file.
        kind: what it should be, for the error: ``N_("safetensors file")``.
    """
    found = _check_path(path)
    if not (found and stat.S_ISREG(found.st_mode)):
        raise CheckpointError(tr("{path}: there is no such file in the folder; check its name", path=path))
    try:
        return _read_unchanged(path, read)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        raise CheckpointError(
            tr(
                "{path}: expected tensors and plain values, found {what}, and loading that can run any code. Nothing "
                "was run. If you saved a whole model yourself, save it again with save_checkpoint; otherwise do not "
                "load it",
                path=path,
                what=code[1] if code else tr("what cannot be decoded"),
            )
        ) from error
    except Exception as error:
        if is_memory_short(error):
            raise CheckpointError(
                tr(
                    "{path}: could not be read, since memory is short ({reason}); the file may be whole. Free some "
                    "memory, or load it on a machine that has more",
                    path=path,
                    reason=reason(error),
                )
            ) from error
        raise CheckpointError(
            tr(
                "{path}: expected a {kind}, found one that is damaged or something else ({reason}); check the path, "
                "or load an older one",
                path=path,
                kind=tr(kind),
                reason=reason(error),
            )
        ) from error


def _read_unchanged(path: Path, read: Callable[[BinaryIO], _Result]) -> _Result:
    """Call ``read``, and again if the file was replaced in the meantime.

    To map a file, torch and safetensors open it a second time, by its name: by then it may be another one.
    """
    for _ in range(100):
        with open(path, "rb") as file:  # as long as it is open, its number is given to no other file
            try:
                result = read(file)
            except Exception:
                if _is_at(path, file):
                    raise
                continue
            if _is_at(path, file):
                return result
    raise CheckpointError(tr("{path}: is replaced again and again while it is read; load a copy of it", path=path))


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Return whether an open file is still the one at a path."""
    return os.path.samestat(os.fstat(file.fileno()), path.stat())


def replace(path: Path, write: Callable[[Path], None], *, durable: bool) -> None:
    """Let ``write`` fill a temporary file, which takes the place of ``path``, or vanishes if anything fails."""
    old = _check_path(path)
    if old and not (stat.S_ISREG(old.st_mode) and os.access(path, os.W_OK)):
        raise CheckpointError(
            tr("{path}: is protected from writing, or no ordinary file; choose another path", path=path)
        )
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
        short = is_memory_short(error)
        raise CheckpointError(
            tr(
                "{path}: could not be written ({reason}); what was there before is unchanged. {remedy}",
                path=path,
                reason=reason(error),
                remedy=tr("Free some memory") if short else tr("Check the space left, or choose another path"),
            )
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
            tr("{path!r} is no path that can be used here ({reason}); choose another", path=path, reason=reason(error))
        ) from error
    if found and stat.S_ISDIR(found.st_mode):
        raise CheckpointError(
            tr(
                "{path}: is a folder; give the path of a file in it, such as {example}",
                path=path,
                example=path / "checkpoint.pt",
            )
        )
    if not found and not path.parent.is_dir():
        make = f"Path({str(path.parent)!r}).mkdir(parents=True)"
        raise CheckpointError(
            tr(
                "{path}: there is no folder {folder}; check the path, or create it: {make}",
                path=path,
                folder=path.parent,
                make=make,
            )
        )
    return found
