"""User data: the folder in which the course keeps what it knows of a learner, and how a file in it is written.

Imports the standard library alone: the doctor asks it too.
"""

import errno
import os
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path

__all__ = ["VARIABLE", "user_folder", "write_whole"]

VARIABLE = "D2LCOMPUTE_DATA"
"""The environment variable that names another folder; tests and validation set it."""


def user_folder() -> Path:
    """Return the folder's place; it is looked up each time, since the environment may change.

    Raises:
        NotADirectoryError: for a user without a home: "~" was not replaced, and would become a folder right here.
    """
    if folder := os.environ.get(VARIABLE):
        return Path(folder)
    path = Path(import_module("platformdirs").user_data_dir("d2lcompute", appauthor=False))
    if not path.is_absolute():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    return path


def write_whole(path: Path, text: str) -> None:
    """Write a file in one step: a reader finds the old one or the new one, never half of one.

    Raises:
        OSError: if it cannot be written; the old one is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = None
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as file:
            temporary = file.name
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        if temporary:
            with suppress(OSError):
                os.remove(temporary)
        raise
