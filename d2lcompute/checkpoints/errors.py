"""Errors: the one that saving and loading raise, and what another one comes from."""

import errno
import re
import textwrap
from collections.abc import Iterator

__all__ = ["CheckpointError", "is_memory_short", "reason"]

# What torch says in a RuntimeError on Linux and macOS, on Windows, and on accelerators.
_SHORT = re.compile(r"allocate memory|not enough memory|out of memory", re.IGNORECASE)


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be saved or loaded: which file, what was expected, what was found, what to do."""


def is_memory_short(error: BaseException) -> bool:
    """Return whether an error, or one behind it, says that there is not enough memory."""
    return any(
        isinstance(cause, MemoryError)
        or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM)
        # torch and safetensors tell of failed allocations and mappings in plain exceptions
        or (isinstance(cause, Exception) and _SHORT.search(str(cause)) is not None)
        for cause in _chain(error)
    )


def reason(error: BaseException) -> str:
    """Return the beginning of an error, or of the system's error behind it."""
    told = next((cause for cause in _chain(error) if isinstance(cause, OSError)), error)
    return textwrap.shorten(f"{type(told).__name__}: {told}", 120, placeholder=" ...")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, then each one during whose handling the former was raised."""
    cause: BaseException | None = error
    while cause:
        yield cause
        cause = cause.__context__
