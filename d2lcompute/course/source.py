"""Source: where the course's own notebooks are, and how a copy compares with them. The standard library alone."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from .._translation import tr
from .._user_data import user_folder
from .merging import fingerprint, mark_of

__all__ = [
    "STARTED",
    "CourseError",
    "language_here",
    "language_of",
    "languages",
    "last_started",
    "outdated",
    "posed_in",
    "source_folder",
]

STARTED = "course.json"
"""The file in the user's folder that says where the copy is that was started last."""

_README = "README.md"
_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")  # in the installed package, in the source tree


class CourseError(Exception):
    """The course cannot be written into this folder, or is not there; nothing of the learner's was changed."""


def source_folder(language: str) -> Path:
    """Return the folder of the course in a language.

    Raises:
        CourseError: if the course is not there in this language.
    """
    for place in _PLACES:
        if (place / language / _README).is_file():
            return place / language
    there = ", ".join(languages()) or tr("none: the package was installed without its notebooks")
    raise CourseError(
        tr(
            "lang must be a language of the course; got {language!r} (there are: {there})",
            language=language,
            there=there,
        )
    )


def languages() -> list[str]:
    """Return the languages that the course is there in."""
    return sorted({path.parent.name for place in _PLACES for path in place.glob(f"*/{_README}")})


def language_of(folder: Path) -> str:
    """Return the language of the copy in a folder; nothing if there is none."""
    marks = (mark_of(_content(path)) for path in sorted(folder.glob("*.ipynb")))
    return str(next((mark["language"] for mark in marks if "language" in mark), ""))


def language_here() -> str:
    """Return the language of the copy in the current folder, else of the one last started; nothing without either."""
    with suppress(OSError):
        return language_of(Path.cwd()) or language_of(last_started(user_folder()) or Path.cwd())
    return ""


def last_started(kept: Path) -> Path | None:
    """Return the folder of the copy that was started last, which the user's folder ``kept`` tells; None if nothing."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return Path(json.loads((kept / STARTED).read_text(encoding="utf-8"))["copy"])
    return None


def posed_in(notebook: str) -> list[str]:
    """Return the names of a notebook's exercises in the order in which it poses them; none if it is not there."""
    with suppress(CourseError):
        ids = [cell["id"] for cell in _content(source_folder("en") / f"{notebook}.ipynb").get("cells", ())]
        tasks = [name for name in ids if name.startswith("exercise-") and name.endswith("-task")]
        return [name.removeprefix("exercise-").removesuffix("-task").replace("-", "_") for name in tasks]
    return []


def outdated(folder: Path) -> list[str]:
    """Return the names of the notebooks of which a copy lacks what the course has now.

    Raises:
        CourseError: if the course is not there in the copy's language.
    """
    return [
        path.stem
        for path in sorted(source_folder(language_of(folder) or "en").glob("*.ipynb"))
        if mark_of(_content(folder / path.name)).get("given") != _fingerprints(_content(path))
    ]


def _fingerprints(notebook: Any) -> list[list[str]]:
    joined = [{**cell, "source": "".join(cell["source"])} for cell in notebook["cells"]]
    return [[cell["id"], fingerprint(cell)] for cell in joined]


def _content(path: Path) -> Any:
    """Return what a notebook's file holds; nothing if it cannot be read."""
    with suppress(OSError, ValueError):
        return json.loads(path.read_text(encoding="utf-8"))
    return {}
