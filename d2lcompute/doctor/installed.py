"""Installed: which version of a package is there, whether it is new enough, and the command that brings it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from .._translation import tr

__all__ = ["FOLDER", "Finding", "at_least", "check_optional", "pip_line", "version_of"]

FOLDER = Path(__file__).resolve().parents[1]
"""The folder of this package."""


@dataclass(frozen=True)
class Finding:
    """What a check found: ``OK``, ``WARN`` (part of the course suffers) or ``FAIL`` (it cannot run), and the remedy."""

    status: str
    found: str
    remedy: str = ""


def check_optional(name: str, oldest: str, extra: str, purpose: str) -> Finding:
    """A package is there and new enough; ``extra`` is the extra of d2lcompute that brings it, if it is optional."""
    if (version := version_of(name)) is None:
        source = f"d2lcompute[{extra}]" if extra else f"{name}>={oldest}"
        return Finding("WARN", tr("not installed; it is for {purpose}", purpose=tr(purpose)), pip_line(source))
    if not at_least(version, oldest):
        return Finding(
            "WARN",
            tr("{version} is older than {oldest}", version=version, oldest=oldest),
            pip_line(f"{name}>={oldest}"),
        )
    return Finding("OK", version)


def at_least(version: str, oldest: str) -> bool:
    """Tell whether a version is not older than another, by its first two numbers."""
    numbers = [[int(number) for number in re.findall(r"\d+", text)[:2]] for text in (version, oldest)]
    return numbers[0] >= numbers[1]


def version_of(name: str) -> str | None:
    """Return the version of a package; None if it is not installed."""
    return next((distribution.version for distribution in metadata.distributions(name=name)), None)


def pip_line(requirement: str) -> str:
    """Return the command that installs a package for this Python."""
    own = requirement.startswith("d2lcompute") and version_of("d2lcompute") is None
    source = f'-e "{FOLDER.parent}{requirement[len("d2lcompute") :]}"' if own else f'"{requirement}"'
    return f'"{sys.executable}" -m pip install {source}'
