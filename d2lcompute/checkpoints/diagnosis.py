"""Diagnosis: what an error or a file that is no checkpoint comes from, and what to do, in words for the person."""

import dataclasses
import errno
import os
import textwrap
from collections.abc import Iterator
from typing import Any

__all__ = ["causes", "conversion_of", "kind_of_file", "lacks_memory", "reason"]


def conversion_of(value: Any) -> str:
    """Say how a value that people put beside a model becomes one that can be loaded."""
    library = type(value).__module__.partition(".")[0]
    if library == "numpy":
        return (
            "convert it: x.item() gives Python's own number"
            if not getattr(value, "ndim", 0)
            else ("convert it: torch.from_numpy(x) gives a tensor, x.tolist() lists")
        )
    if isinstance(value, os.PathLike):
        return "convert it: str(x)"
    if dataclasses.is_dataclass(value):
        return "convert it: dataclasses.asdict(x)"
    if hasattr(value, "isoformat"):
        return "convert it: x.isoformat()"
    if hasattr(value, "state_dict"):
        return "save its state_dict() instead"
    return "convert it"


def reason(error: BaseException) -> str:
    """Return the beginning of an error, or of the system's error behind it."""
    cause = next((cause for cause in causes(error) if isinstance(cause, OSError)), error)
    return textwrap.shorten(f"{type(cause).__name__}: {cause}", 120, placeholder=" ...")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, then the one in whose handling it arose, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__context__


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error tells that memory is short."""
    words = ("can't allocate memory", "cannot allocate memory", "not enough memory")
    return any(
        isinstance(cause, MemoryError)
        or getattr(cause, "errno", None) == errno.ENOMEM
        or any(each in str(cause).lower() for each in words)
        for cause in causes(error)
    )


def kind_of_file(start: bytes) -> str:
    """Say what a file is that begins like one of those that people take for a checkpoint; nothing if it is unknown."""
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file itself: fetch it with git lfs pull"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page, such as a download's error page or a login: download the file itself again"
    if start.startswith(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."):
        return (
            "a file in torch's format before 1.6: read it with torch.load(path, weights_only=True), and save it with "
            "save_checkpoint from then on"
        )
    if start.startswith(b"\x80") and start[8:9] != b"{":  # the header of a safetensors file may begin with this byte
        return "a pickle, which can run any code when it is loaded: nothing was run; do not load it unless you made it"
    return ""
