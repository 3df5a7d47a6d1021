"""Translation: the language that the package speaks to a learner in, and its messages in that language.

The catalogues are gettext's, in ``locale/LANGUAGE/LC_MESSAGES``; ``python -m tools.messages`` keeps them. Imports the
standard library alone: the doctor speaks through it too.
"""

import gettext
import locale
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path

__all__ = ["DOMAIN", "FOLDER", "N_", "VARIABLE", "language", "speaking", "tr"]

VARIABLE = "D2LCOMPUTE_LANG"
"""The environment variable that names the language, before all else; validation sets it to ``en``."""

DOMAIN, FOLDER = "d2lcompute", Path(__file__).resolve().parent / "locale"


def tr(message: str, /, **values: object) -> str:
    """Return a message in the learner's language, English where it has no translation.

    Args:
        message: the message in English, as it stands in the catalogue: a literal, so that it is found there.
        values: what takes the places of ``{name}`` in the message; without values braces stand for themselves.

    Example:
        >>> tr("{got_count} tensors", got_count=3)
        '3 tensors'
    """
    text = _in_the_language(message) if message else ""  # gettext("") is the catalogue's head
    return text.format(**values) if values else text


def N_(message: str) -> str:  # noqa: N802  (gettext's name for it)
    """Mark a message that is translated later, by ``tr`` of a name that holds it."""
    return message


def language() -> str:
    """Return the code of the learner's language, such as ``"en"`` or ``"zh"``.

    ``D2LCOMPUTE_LANG`` decides. Without it, it is the language of the learner's copy of the course: the one in the
    current folder, else the one last started. Who has none reads the language of the system's locale.
    """
    return _code(os.environ.get(VARIABLE, "")) or _found()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Let the package speak a language within a block, in this process and in those that it starts."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = code
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before


@cache
def _found() -> str:
    """Look the language up, once a process."""
    source = import_module("d2lcompute.course.source")
    return source.language_here() or _code(_locale()) or "en"


def _locale() -> str:
    """Return the name of the system's locale, from the variables that gettext reads, else from the system."""
    named = (os.environ.get(name) for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"))
    return next(filter(None, named), None) or locale.getlocale()[0] or ""


def _code(name: str) -> str:
    """Return the code in a locale's name, which is ``zh_CN.UTF-8``, or on Windows ``Chinese (Simplified)_China``."""
    return "zh" if name.lower().startswith(("zh", "chinese")) else "en" if name.lower().startswith("en") else ""


def _in_the_language(message: str) -> str:
    """Look a message up; in English where that is impossible, as without a file left to open."""
    try:
        return _catalogue(language()).gettext(message)
    except OSError:
        return message


@cache
def _catalogue(code: str) -> gettext.NullTranslations:
    """Return the messages of a language; those of the code itself, English, where there is no catalogue."""
    return gettext.translation(DOMAIN, FOLDER, [code], fallback=True)
