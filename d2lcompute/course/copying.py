"""Copying: the course written into a folder of the learner's, and brought up to date there.

All is read and worked out before anything is written; then each file is written whole beside the old one, and only
when all are there does each take its place.
"""

import json
import os
import secrets
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat

from .._translation import language as learners_language
from .._translation import tr
from .merging import Changes, cleared, given_in, merge
from .source import CourseError, language_of, languages, source_folder

__all__ = ["Written", "write_course"]

_UNFINISHED = ".d2lcompute-"


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        folder: the learner's copy.
        is_new: whether there was none before.
        changes: the notebook's file name → what happened to its cells; None for a notebook that was not there.
    """

    folder: Path
    is_new: bool
    changes: Mapping[str, Changes | None]


def write_course(folder: str | Path, language: str | None = None) -> Written:
    """Write the course into a folder, without outputs, or bring the copy there up to date.

    In a copy that is there, cells that the learner changed, added or took out stay so; cells that were left alone are
    renewed. Files that are not the course's are not touched.

    Args:
        folder: the folder; it is made if it is not there.
        language: the language, a folder of the course; by default that of the copy, else the learner's.

    Raises:
        CourseError: if the folder holds something else, if a notebook in it is not one, or if it cannot be written.
    """
    folder = Path(folder).absolute()
    language = language or language_of(folder) or _spoken()
    source = source_folder(language)
    is_new = _check(folder, {path.name for path in source.glob("*.ipynb")})
    pages = {path.name: path.read_text(encoding="utf-8") for path in source.glob("*.md")}
    mark: dict[str, Any] = {"version": metadata.version("d2lcompute"), "language": language}
    mark["pages"] = {name: _fingerprint(text) for name, text in pages.items()}
    texts: dict[Path, str] = {}
    seen: dict[Path, bytes] = {}
    changes: dict[str, Changes | None] = {}
    given = {_fingerprint(text) for text in pages.values()}
    for path in sorted(source.glob("*.ipynb")):
        course, target = cleared(_read(path), mark), folder / path.name
        changes[path.name] = None
        if target.exists():
            seen[target] = target.read_bytes()
            mine = _read(target)
            given |= set(given_in(mine, "pages").values())
            course, changes[path.name] = merge(mine, course)
        texts[target] = nbformat.writes(nbformat.from_dict(course), indent=1, ensure_ascii=False) + "\n"
    for name, text in pages.items():
        there = folder / name
        if not there.exists() or _fingerprint(there.read_text(encoding="utf-8", errors="replace")) in given:
            texts[there] = text
    _write_all(folder, {path: text for path, text in texts.items() if not _holds(path, text)}, seen)
    return Written(folder, is_new, changes)


def _spoken() -> str:
    """Return the learner's language if the course is there in it, else English."""
    spoken = learners_language()
    return spoken if spoken in languages() else "en"


def _check(folder: Path, names: set[str]) -> bool:
    """Return whether a folder is new; raise if it is no place for the course.

    Raises:
        CourseError: if it is a file, cannot be written, or holds other things and none of the course.
    """
    if not folder.exists():
        return True
    if not folder.is_dir():
        raise CourseError(tr("{folder}: expected a folder, found a file; give the name of a folder", folder=folder))
    held = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CourseError(
            tr("{folder}: this folder is protected from writing; choose another, or make it yours", folder=folder)
        )
    if protected := [name for name in held if name in names and not os.access(folder / name, os.W_OK)]:
        raise CourseError(
            tr(
                "{path}: this file is protected from writing; make it writable, and try again",
                path=folder / protected[0],
            )
        )
    if held and not names.intersection(held):
        some = ", ".join(sorted(held)[:3]) + (", …" if len(held) > 3 else "")
        raise CourseError(
            tr("{folder}: holds something else ({some}); give the name of a new folder", folder=folder, some=some)
        )
    return not held


def _read(path: Path) -> Any:
    """Read a notebook; each of its cells has an id of its own afterwards.

    Raises:
        CourseError: if it is no notebook.
    """
    advice = tr("rename it or move it out of the folder: a new one is written in its place")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        _give_ids(content["cells"])
        content["nbformat_minor"] = max(5, content["nbformat_minor"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            notebook = nbformat.reads(json.dumps(content), as_version=4)
            nbformat.validate(notebook)
    except OSError as error:
        raise CourseError(tr("{path}: cannot be read ({why})", path=path, why=error.strerror)) from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CourseError(
            tr("{path}: expected a notebook, found a file that is no longer JSON; {advice}", path=path, advice=advice)
        ) from error
    except (
        nbformat.ValidationError,
        nbformat.reader.NotJSONError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise CourseError(
            tr("{path}: expected a notebook, found JSON of another form; {advice}", path=path, advice=advice)
        ) from error
    return notebook


def _give_ids(cells: list[dict[str, Any]]) -> None:
    """Give an id to each cell that has none, as in notebooks of other programs, or that of another cell."""
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        name = cell.get("id") or cell["metadata"].get("id") or f"cell-{number}"  # Colab keeps it in the metadata
        while name in seen:
            name = f"{name[:50]}-{secrets.token_hex(4)}"
        seen.add(name)
        cell["id"] = name


def _fingerprint(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _holds(path: Path, text: str) -> bool:
    """Return whether a file holds this text already."""
    return path.exists() and path.read_bytes() == text.encode()


def _write_all(folder: Path, texts: Mapping[Path, str], seen: Mapping[Path, bytes]) -> None:
    """Write each file beside its place, then let each take it.

    Args:
        folder: the copy.
        texts: what each file is to hold.
        seen: what files held when their new text was worked out.

    Raises:
        CourseError: if one cannot be written, or was saved by somebody since it was read. Each file is the old or the
            new one, and all are the old ones unless the system refused in the last step.
    """
    written: dict[Path, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob(f"{_UNFINISHED}*"):
            unfinished.unlink()  # of a run that was killed
        for path, text in texts.items():
            written[path] = folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
            written[path].write_bytes(text.encode())
            if path.exists():
                written[path].chmod(path.stat().st_mode)
        if saved := [path.name for path in texts if path in seen and path.read_bytes() != seen[path]]:
            raise CourseError(
                tr("{path}: was saved while it was brought up to date; try again", path=folder / saved[0])
            )
        for path, unfinished in written.items():
            os.replace(unfinished, path.resolve() if path.is_symlink() else path)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise CourseError(
            tr("{folder}: cannot be written ({why}); check the space left, or choose another", folder=folder, why=why)
        ) from error
    finally:
        for unfinished in written.values():
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
